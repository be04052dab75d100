"""Exports converted weights as a checkpoint in MMDetection's published form: weights and classes, no training state.

Any MMDetection with the recipe loads it: `init_detector(config, file)`, `tools/test.py config file`.
"""

import argparse
import hashlib
import io
from pathlib import Path

import safetensors.torch
import torch

from everswin_trainer.system.atomic_file import write_atomic, write_json


def main(argv: list[str]) -> int:
    """Writes `NAME-<first 8 digits of the sha256>.pth`, as MMDetection names its published files."""
    parser = argparse.ArgumentParser(prog="everswin_trainer export-weights")
    parser.add_argument("--weights", type=Path, required=True, help="file that convert-weights --part detector wrote")
    parser.add_argument(
        "--class",
        dest="classes",
        action="append",
        required=True,
        help="class name, once per class in the order of the data",
    )
    parser.add_argument("--into", type=Path, required=True, help="path without suffix")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args(argv)
    content = io.BytesIO()
    state = safetensors.torch.load_file(arguments.weights)
    torch.save({"meta": {"dataset_meta": {"classes": tuple(arguments.classes)}}, "state_dict": state}, content)
    sha256 = hashlib.sha256(content.getbuffer()).hexdigest()
    path = arguments.into.with_name(f"{arguments.into.name}-{sha256[:8]}.pth")
    with write_atomic(path) as stream:
        stream.write(content.getbuffer())
    write_json(arguments.out, {"v": 1, "path": str(path), "sha256": sha256, "bytes": path.stat().st_size})
    return 0
