"""Fakes NVML: a folder with a module named `pynvml` that reads the state of its GPUs from a JSON file."""

import json
import shutil
from pathlib import Path
from typing import Any

from fake_gpus import uuid

FIXTURE = Path(__file__).parents[2] / "test" / "fixtures" / "pynvml.py"


def healthy(index: int, **changes: Any) -> dict[str, Any]:
    """Returns the state of a healthy GPU under load, with these changes."""
    return {
        "uuid": uuid(index),
        "name": "Test GPU",
        "bus": f"00000000:{0x41 + index:02X}:00.0",
        "utilization": 97,
        "temperature": 61,
        "slowdownAt": 90,
        "reasons": 0x04,
        "volatile": [3, 0],
        "aggregate": [12, 1],
        "rows": [2, 0, 0, 0],
        "pages": 0,
        "pcie": [16, 16, 4, 4],
        "processes": [],
        "usedMib": 3,
        **changes,
    }


class FakeNvml:
    """The fake below `root`, which goes in front of PYTHONPATH."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir()
        shutil.copy(FIXTURE, root / "pynvml.py")

    def have(self, *gpus: dict[str, Any], **state: Any) -> None:
        new = self.root / "nvml.new"
        new.write_text(json.dumps({"gpus": gpus, **state}))
        new.rename(self.root / "nvml.json")
