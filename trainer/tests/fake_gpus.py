"""Fakes a machine with GPUs: a program named nvidia-smi, and a folder of leases."""

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FIXTURE = Path(__file__).parents[2] / "test" / "fixtures" / "nvidia_smi.py"


@dataclass
class FakeGpus:
    """The fake GPUs below `root`."""

    root: Path

    def __post_init__(self) -> None:
        (self.root / "bin").mkdir()
        program = self.root / "bin" / "nvidia-smi"
        program.write_text(f'#!/bin/sh\nexec {sys.executable} {FIXTURE} {self.root}/state.json "$@"\n')
        program.chmod(0o755)

    @property
    def folder(self) -> Path:
        return self.root / "leases"

    @property
    def path(self) -> str:
        """PATH that contains the fake nvidia-smi."""
        return f"{self.root}/bin:{os.environ['PATH']}"

    def have(self, count: int, used: dict[int, int] | None = None, apps: list[dict[str, Any]] | None = None) -> None:
        """Sets the number of GPUs, their used MiB by index, and the processes on them."""
        gpus = [
            {
                "uuid": uuid(i),
                "index": i,
                "name": "Test GPU",
                "memory.total": 24576,
                "memory.used": (used or {}).get(i, 3),
            }
            for i in range(count)
        ]
        state = self.root / "state.json.new"
        state.write_text(json.dumps({"gpus": gpus, "apps": apps or []}))
        state.rename(self.root / "state.json")


def uuid(index: int) -> str:
    return f"GPU-{index:08d}-aaaa-bbbb-cccc-{index:012d}"
