"""Writes a detector as a folder that MMDetection loads without this project (docs/reference/trainer-contract.md)."""

import argparse
import fcntl
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import safetensors.torch
import torch
from mmengine.config import Config

from everswin_trainer.detector.detector_config import detector_config, palette, to_text
from everswin_trainer.model import mmcv_ops
from everswin_trainer.model.initial_detector import load_detector, require_same
from everswin_trainer.model.recipe import load_recipe
from everswin_trainer.model.weights import build_model, looks_like_safetensors
from everswin_trainer.system.atomic_file import fsync_folder, write_atomic, write_json
from everswin_trainer.system.hashing import hash_file

CONFIG, WEIGHTS, SAFETENSORS = "config.py", "model.pth", "model.safetensors"
OPERATORS, CARD, SUMS = "mmcv_ops.py", "MODEL_CARD.md", "SHA256SUMS"


@dataclass(frozen=True)
class DetectorSpec:
    """The content of `--spec`."""

    title: str
    recipe: Path
    weights: Path
    classes: list[str]
    # Ids of the classes in the user's annotations; None to read them from `annotations`, or to count from 1.
    category_ids: list[int] | None
    annotations: Path | None
    card: str

    @classmethod
    def load(cls, path: Path) -> "DetectorSpec":
        content = json.loads(path.read_bytes())
        annotations = content.get("annotations")
        return cls(
            title=content.get("title"),
            recipe=Path(content.get("recipe")),
            weights=Path(content.get("weights")),
            classes=content.get("classes"),
            category_ids=content.get("categoryIds"),
            annotations=None if annotations is None else Path(annotations),
            card=content.get("card"),
        )

    def read_category_ids(self) -> list[int]:
        """Returns the id of each class."""
        if self.category_ids is not None:
            return self.category_ids
        if self.annotations is None:
            return list(range(1, len(self.classes) + 1))
        ids = {one["name"]: one["id"] for one in json.loads(self.annotations.read_bytes())["categories"]}
        return [ids[name] for name in self.classes]


def main(argv: list[str]) -> int:
    """Writes the folder `--into`, replacing an earlier one. Raises ValueError if the weights do not fit the recipe."""
    parser = argparse.ArgumentParser(prog="everswin_trainer export-detector")
    parser.add_argument("--spec", type=Path, required=True)
    parser.add_argument("--into", type=Path, required=True, help="the detector's folder")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args(argv)
    spec = DetectorSpec.load(arguments.spec)
    if not spec.classes:
        raise ValueError(f"expected {arguments.spec} to name at least one class")
    category_ids = spec.read_category_ids()
    config = detector_config(load_recipe(spec.recipe, None), spec.classes, category_ids)
    files = write_detector(spec, config, read_weights(spec.weights), arguments.into.absolute())
    write_json(arguments.out, {"v": 1, "categoryIds": category_ids, "files": files})
    return 0


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """Returns the tensors of a checkpoint or of a converted detector, sorted: equal weights give equal files."""
    if looks_like_safetensors(path):
        state = load_detector(path)
    else:
        state = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
    # Copies: safetensors refuses tensors that share memory, and channels-last tensors.
    return {key: state[key].contiguous().clone() for key in sorted(state)}


def write_detector(
    spec: DetectorSpec, config: Config, state: dict[str, torch.Tensor], into: Path
) -> list[dict[str, Any]]:
    """Writes all files next to `into`, then renames the folder. Returns name, sha256 and size of each file."""
    into.parent.mkdir(parents=True, exist_ok=True)
    # A worker that was killed may have left a process that still writes.
    with open(into.with_name(f".{into.name}.lock"), "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _write_locked(spec, config, state, into)


def _write_locked(
    spec: DetectorSpec, config: Config, state: dict[str, torch.Tensor], into: Path
) -> list[dict[str, Any]]:
    part, previous = (into.with_name(f".{into.name}.{suffix}") for suffix in ("part", "previous"))
    for leftover in (part, previous):
        shutil.rmtree(leftover, ignore_errors=True)
    part.mkdir()
    contents: dict[str, Callable[[BinaryIO], Any]] = {
        CONFIG: lambda stream: stream.write(to_text(config, spec.title)),
        WEIGHTS: lambda stream: torch.save(checkpoint(state, spec.classes), stream),
        # The same bytes as convert-weights writes.
        SAFETENSORS: lambda stream: stream.write(safetensors.torch.save(state, metadata={"format": "pt"})),
        OPERATORS: lambda stream: stream.write(operators().encode()),
        CARD: lambda stream: stream.write(spec.card.encode("utf-8", "replace")),
    }
    for name, write in contents.items():
        with write_atomic(part / name) as stream:
            write(stream)
    sums = "".join(f"{hash_file(part / name)}  {name}\n" for name in sorted(contents))
    with write_atomic(part / SUMS) as stream:
        stream.write(sums.encode())
    require_loadable(part)
    if into.exists():
        into.rename(previous)
    part.rename(into)
    fsync_folder(into.parent)
    shutil.rmtree(previous, ignore_errors=True)
    return [
        {"file": path.name, "sha256": hash_file(path), "bytes": os.stat(path).st_size}
        for path in sorted(into.iterdir())
    ]


def checkpoint(state: dict[str, torch.Tensor], classes: list[str]) -> dict[str, Any]:
    """Returns the checkpoint in the form that MMDetection publishes: weights and classes, no training state."""
    meta = {"dataset_meta": {"classes": tuple(classes), "palette": palette(len(classes))}}
    return {"meta": meta, "state_dict": state}


def operators() -> str:
    """Returns a module whose import replaces mmcv's compiled operators where they are missing."""
    return f"{Path(mmcv_ops.__file__).read_text()}\n\ninstall()\n"


def require_loadable(folder: Path) -> None:
    """Builds the model of the written config. Raises ValueError if the written weights do not fit it exactly."""
    model = build_model(Config.fromfile(str(folder / CONFIG)).model)
    require_same(torch.load(folder / WEIGHTS, weights_only=True)["state_dict"], model.state_dict())
