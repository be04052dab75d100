"""Holds pretrained weights against a recipe's backbone, key by key and shape by shape.

MMDetection loads them with strict=False, so a wrong file would be used silently and in part
(mmdet/models/backbones/swin.py, SwinTransformer.init_weights).
"""

import argparse
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from . import mmcv_ops
from .checkpoint import hash_file
from .recipe import load_recipe
from .whole_file import write_json

# What an ImageNet classifier has and a detector's backbone lacks.
CLASSIFIER_ONLY = ("head.", "norm.")
# Derived from the window size at every start, never learned.
DERIVED = ("relative_position_index", "attn_mask")
REASON_CHARACTERS = 200


def main(argv: list[str]) -> int:
    """Writes the verdict to --out; 0 whatever it says."""
    parser = argparse.ArgumentParser(prog="everswin_trainer check-weights")
    parser.add_argument("--recipe", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args(argv)
    write_json(arguments.out, check(arguments.weights, load_recipe(arguments.recipe, None).model.backbone))
    return 0


def check(path: Path, backbone: Any) -> dict[str, Any]:
    """The verdict as docs/trainer-contract.md has it. `backbone` is the recipe's config of it."""
    source = {"file": path.name, "sha256": hash_file(path), "bytes": path.stat().st_size}
    try:
        given = convert(load(path), backbone)
    except Refused as error:
        return {"v": 1, "ok": False, "refused": str(error), "source": source, **vars(Comparison())}
    comparison = compare(given, expected_tensors(backbone))
    differs = comparison.missing or comparison.unexpected or comparison.misshapen
    return {"v": 1, "ok": not differs, "source": source, **vars(comparison)}


class Refused(Exception):
    """The file is not a plain dictionary of tensors."""


def load(path: Path) -> dict[str, Tensor]:
    """Tensors by name, from under `model` or `state_dict` where there is one. Nothing that the file holds is run."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # Bytes that are no pickle make the unpickler raise anything at all.
        raise Refused(f"torch.load(weights_only=True) refuses {path.name}: {reason(error)}") from error
    for wrapper in ("state_dict", "model"):
        if isinstance(content, dict) and isinstance(content.get(wrapper), dict):
            content = content[wrapper]
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise Refused(f"{path.name} holds something else than named tensors")
    return content


def reason(error: Exception) -> str:
    """The telling part of torch's message; the rest advises how to run the file's code after all."""
    words = str(error).rpartition("WeightsUnpickler error:")[2].split()
    return " ".join(words)[:REASON_CHARACTERS] or type(error).__name__


def convert(given: dict[str, Tensor], backbone: Any) -> dict[str, Tensor]:
    """To MMDetection's key layout, by MMDetection's own converter where the recipe asks for it."""
    if backbone.get("convert_weights"):
        mmcv_ops.install()
        from mmdet.models.backbones.swin import swin_converter

        try:
            given = swin_converter(given)
        except (RuntimeError, ValueError, IndexError) as error:
            raise Refused(f"its tensors cannot be converted from the Swin repository's layout: {error}") from error
    return {key.removeprefix("backbone."): value for key, value in given.items()}


def expected_tensors(backbone: Any) -> dict[str, Tensor]:
    """What the recipe's backbone learns, and its buffers."""
    mmcv_ops.install()
    from mmdet.registry import MODELS
    from mmdet.utils import register_all_modules

    register_all_modules(init_default_scope=True)
    return MODELS.build({**backbone, "init_cfg": None}).state_dict()


@dataclass
class Comparison:
    """`parameters` counts the numbers that fit."""

    parameters: int = 0
    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    misshapen: list[dict[str, Any]] = field(default_factory=list)


def compare(given: dict[str, Tensor], expected: dict[str, Tensor]) -> Comparison:
    found = Comparison()
    for key, tensor in expected.items():
        # The norms behind each stage are the detector's own; an ImageNet file cannot have them.
        if key.endswith(DERIVED) or (key.startswith(("norm0", "norm1", "norm2", "norm3")) and key not in given):
            continue
        if key not in given:
            found.missing.append(key)
        elif given[key].shape != tensor.shape:
            found.misshapen.append({"key": key, "expected": list(tensor.shape), "got": list(given[key].shape)})
        else:
            found.parameters += tensor.numel()
    ignored = (key for key in given if not key.startswith(CLASSIFIER_ONLY) and not key.endswith(DERIVED))
    found.unexpected = [key for key in ignored if key not in expected]
    return found
