"""Measures images per second of a data loader that reads from the archive or from extracted files.

    PYTHONPATH=trainer .everswin/tools/trainer-env/bin/python test/bench/loader.py --seed 1 --repeats 8

Two worker processes run LoadImageFromFile of MMDetection, the first step of a recipe: read the bytes and decode them.
The data are 1,000 JPEG files of 163 KB on average, in random order, all in the page cache. The two variants alternate
every half epoch and swap their order, so that changes of the machine's speed affect both. The workers persist, as in
training, so both variants are measured twice: in the first epoch, in which a worker checks the CRC-32 of everything
that it reads from the archive, and from the fifth epoch, in which it only checks entries that it has not read before.
Extracted files are not checked. The second figure is the CPU time of the workers.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"

import itertools
import json
import logging
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import torch
from mmdet.registry import TRANSFORMS
from mmdet.utils import register_all_modules
from photos import make_archives
from record import ROOT, figure, keep, parse_arguments, print_figures, surroundings
from torch.utils.data import DataLoader, Dataset

from everswin_trainer.data import zip_images  # noqa: F401  (registers the backend)
from everswin_trainer.data.dataset import PreparedData
from everswin_trainer.model import mmcv_ops  # noqa: F401  (registers the backend)

IMAGES, WORKERS, BATCH, PARTS = 1_000, 2, 8, 2
# A training has 12 to 36 epochs; from the fifth, a worker has read nearly all images before.
EPOCHS, LATER = 8, 4


class Photos(Dataset):
    """Training images of a prepared folder, loaded as by the recipes."""

    def __init__(self, data: PreparedData) -> None:
        names = [one["file_name"] for one in json.loads(data.annotations("train").read_bytes())["images"]]
        self._paths = [data.image_prefix("train") + name for name in names]
        self._load = TRANSFORMS.build({"type": "LoadImageFromFile", "backend_args": data.image_backend("train")})

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, number: int) -> float:
        """Returns the CPU seconds of one image, without its pixels: both variants transfer them in the same way."""
        begin = time.process_time()
        self._load({"img_path": self._paths[number]})
        return time.process_time() - begin


def main() -> None:
    arguments = parse_arguments("loader.py", repeats=8)
    where = surroundings(arguments)
    logging.disable(logging.WARNING)
    mmcv_ops.install()
    register_all_modules(init_default_scope=True)
    cv2.setNumThreads(0)
    samples: dict[str, list[list[tuple[float, float]]]] = {"zip": [], "files": []}
    with tempfile.TemporaryDirectory(prefix="everswin-bench-") as made:
        folders = {name: prepare(Path(made), name, arguments.seed) for name in samples}
        for round_ in range(arguments.repeats):
            loaders = {name: Epochs(folders[name], arguments.seed + round_) for name in samples}
            for name in samples:
                samples[name].append([])
            for part in range(EPOCHS * PARTS):
                order = list(samples) if (round_ + part) % 2 == 0 else list(reversed(samples))
                for name in order:
                    samples[name][-1].append(loaders[name].measure())
            print({name: [round(rate) for rate, _ in samples[name][-1]] for name in samples}, flush=True)
    figures = []
    for title, chosen in (("first epoch", slice(0, PARTS)), ("later epochs", slice(LATER * PARTS, EPOCHS * PARTS))):
        chosen_of = {name: [one for epochs in samples[name] for one in epochs[chosen]] for name in samples}
        for number, (what, unit) in enumerate((("loaded", "images/s"), ("CPU", "s an image"))):
            values = {name: [one[number] for one in chosen_of[name]] for name in samples}
            figures += [figure(f"{title}: {what} from {name}", unit, values[name]) for name in samples]
            pairs = zip(values["zip"], values["files"], strict=True)
            ratios = [inside / files if number == 0 else files / inside for inside, files in pairs]
            how = "zip / files" if number == 0 else "files / zip"
            figures.append(figure(f"{title}: {what}, {how}", "times", ratios, ">= 1.0"))
    print_figures(figures)
    about = {"images": IMAGES, "workers": WORKERS, "batch": BATCH, "epochs": EPOCHS, "laterFrom": LATER, "parts": PARTS}
    keep(arguments.out, {**where, **about, "figures": figures, "raw": samples})


def prepare(folder: Path, name: str, seed: int) -> PreparedData:
    spec: dict[str, Any] = json.loads((folder / "spec.json").read_text()) if (folder / "spec.json").exists() else {}
    spec = {**(spec or make_archives(folder, seed, IMAGES)), "extract": name == "files"}
    (folder / "spec.json").write_text(json.dumps(spec))
    command = [sys.executable, "-m", "everswin_trainer", "prepare-dataset", "--spec", str(folder / "spec.json")]
    command += ["--into", str(folder / name), "--out", str(folder / "answer.json")]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "trainer")}
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    assert json.loads((folder / "answer.json").read_text())["ok"]
    return PreparedData.at(folder / name)


class Epochs:
    """Loader with persistent workers that pauses between two calls."""

    def __init__(self, data: PreparedData, seed: int) -> None:
        order = torch.Generator().manual_seed(seed)
        self._loader = DataLoader(
            Photos(data),
            BATCH,
            shuffle=True,
            generator=order,
            num_workers=WORKERS,
            persistent_workers=True,
            # Prefetching between two calls is not timed, so it is kept minimal.
            prefetch_factor=1,
        )
        self._left: Iterator[torch.Tensor] = iter(())

    def measure(self) -> tuple[float, float]:
        """Returns images per second and CPU seconds of the workers per image for the next part of an epoch."""
        count = -(-len(self._loader) // PARTS)
        begin = time.monotonic()
        seconds = list(itertools.islice(self._left, count))
        if not seconds:
            self._left = iter(self._loader)
            begin = time.monotonic()
            seconds = list(itertools.islice(self._left, count))
        values = torch.cat(seconds)
        return len(values) / (time.monotonic() - begin), float(values.mean())


if __name__ == "__main__":
    main()
