"""Hashes all samples of a prepared data set: `annotation_memory.py FOLDER mapped|stock`. Prints memory and times."""

import hashlib
import json
import sys
import time
from pathlib import Path
from typing import Any

from memory import memory_maps

from everswin_trainer.model import mmcv_ops

mmcv_ops.install()

from mmdet.datasets import CocoDataset

from everswin_trainer.data.dataset import PreparedData
from everswin_trainer.data.mapped_dataset import MappedCocoDataset

OPTIONS: dict[str, dict[str, Any]] = {
    "train": {"filter_cfg": {"filter_empty_gt": True, "min_size": 32}},
    "val": {"test_mode": True},
}
# Names in /proc/self/status.
KINDS = {"rssMiB": "VmRSS", "anonMiB": "RssAnon", "peakMiB": "VmHWM"}


def main() -> None:
    data, mode = PreparedData.at(Path(sys.argv[1])), sys.argv[2]
    show(mode=mode, at="imports")
    for split, options in OPTIONS.items():
        begin = time.time()
        dataset = load(data, split, mode, options)
        show(mode=mode, at=f"{split} ready", seconds=round(time.time() - begin, 3))
        begin, digest = time.time(), hashlib.sha256()
        for number in range(len(dataset)):
            digest.update(repr(dataset.get_data_info(number)).encode())
        seconds = round(time.time() - begin, 1)
        show(mode=mode, at=f"{split} hashed", samples=len(dataset), sha256=digest.hexdigest(), seconds=seconds)


def load(data: PreparedData, split: str, mode: str, options: dict[str, Any]) -> CocoDataset:
    options = {
        **options,
        "ann_file": str(data.annotations(split)),
        "metainfo": {"classes": data.classes()},
        "data_prefix": {"img": data.image_prefix(split)},
    }
    return CocoDataset(**options) if mode == "stock" else MappedCocoDataset(samples=str(data.samples(split)), **options)


def show(**facts: Any) -> None:
    """Prints facts and the memory of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    status = dict(line.split(":", 1) for line in lines)
    memory = {kind: int(status[name].split()[0]) >> 10 for kind, name in KINDS.items()}
    print(json.dumps({**facts, **memory, "privateDirtyMiB": int(memory_maps()["Private_Dirty"])}), flush=True)


if __name__ == "__main__":
    main()
