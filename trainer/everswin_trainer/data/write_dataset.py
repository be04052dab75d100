"""Writes the files of a prepared data set: indexes of image locations, and the images themselves on request."""

import ctypes
import os
from collections.abc import Mapping
from concurrent.futures import Executor, as_completed
from pathlib import Path
from typing import Any

from everswin_trainer.data.archive_scan import OpenArchive, extract, split_tasks
from everswin_trainer.data.dataset import image_file
from everswin_trainer.data.image_index import ImageLocation, write_index
from everswin_trainer.data.match_images import Split
from everswin_trainer.data.stage_progress import StageProgress
from everswin_trainer.system.disk_space import require_space


def write_split_index(path: Path, split: Split) -> None:
    """Writes the index of a split's images, in which an image that is listed twice occurs once."""
    images = {entry.name: (entry, image) for entry, image in split.images}.values()
    locations = (
        (entry.name, ImageLocation(image.offset, entry.compressed, entry.size, entry.crc, entry.method))
        for entry, image in images
    )
    write_index(path, locations)


def describe_split(name: str, split: Split, archive: str | None) -> dict[str, Any]:
    """Returns the split's entry in the manifest. `archive` is the path of its images, None if they are extracted."""
    annotations = split.annotations
    return {
        "archive": archive,
        "folder": split.spec.folder,
        "index": f"{name}.index",
        "annotations": f"{name}.json",
        "samples": f"{name}.samples",
        "images": len(annotations.images),
        "annotated": annotations.annotated,
        "instances": annotations.instances,
        "usableImages": annotations.usable_images,
        "usableObjects": annotations.usable_objects,
        "masksFromBoxes": annotations.masks_from_boxes,
    }


def extract_images(
    into: Path, splits: Mapping[str, Split], archives: Mapping[str, OpenArchive], pool: Executor
) -> None:
    """Extracts the listed images and verifies each while writing it. Raises OSError."""
    total = sum(entry.size for split in splits.values() for entry, _ in split.images)
    require_space("unpacking", into, total)
    futures = []
    for name, split in splits.items():
        targets = {image.number: image_file(into, name, split.spec.folder, entry.name) for entry, image in split.images}
        for folder in {path.parent for path in targets.values()}:
            folder.mkdir(parents=True, exist_ok=True)
        entries = archives[split.spec.archive].entries
        chosen = sorted(targets)
        for first, last in split_tasks([entries[number] for number in chosen]):
            task = [(number, targets[number]) for number in chosen[first:last]]
            futures.append(pool.submit(extract, split.spec.archive, task))
    progress = StageProgress("extracting", total)
    for future in as_completed(futures):
        progress.more(future.result())
    _sync_disk(into)


def _sync_disk(folder: Path) -> None:
    """Syncs the file system once: 100,000 calls of fsync take many times as long. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.syncfs(descriptor) != 0:
            raise OSError(ctypes.get_errno(), f"cannot sync the file system of {folder}")
    finally:
        os.close(descriptor)
