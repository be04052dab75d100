"""Scans archives in parallel, in worker processes forked from the one that opened them.

Threads would not help: parsing one large JSON file holds the GIL for seconds.
"""

import codecs
import gc
import os
import signal
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

from everswin_trainer.data.check_annotations import Annotations, check_file
from everswin_trainer.data.decode_image import Orientation, decode
from everswin_trainer.data.image_header import read_plain_size
from everswin_trainer.data.orientation_evidence import Outline, compare
from everswin_trainer.data.zip_directory import Entry, Refused, quote
from everswin_trainer.data.zip_entry import open_entry
from everswin_trainer.system.atomic_file import write_atomic
from everswin_trainer.system.free_memory import trim_heap
from everswin_trainer.system.process_tree import die_with_parent

# Parsed in memory, which takes several times the file's size.
MAX_ANNOTATION_BYTES = 8 << 30
MAX_PROCESSES = 16
# Large enough to amortize the overhead of a task, small enough that all workers finish at about the same time.
TASK_BYTES, TASK_ENTRIES = 32 << 20, 1000
# Any other file may be an image: OpenCV detects the format from the content.
NOT_IMAGE_SUFFIXES = (".json", ".txt", ".csv", ".xml", ".md", ".html", ".yaml", ".yml")


@dataclass
class OpenArchive:
    """An open archive. Images are inspected under the prefixes `image_folders`; entries in `sample` are decoded too."""

    name: str
    descriptor: int
    entries: list[Entry]
    image_folders: tuple[str, ...] = ()
    sample: frozenset[int] = frozenset()


class ScannedImage(NamedTuple):
    """An inspected image: `number` of its entry, `offset` of its data, and the `problem` that makes it unusable.

    `size` is that of the loaded image, `stored_size` that in the file when both were decoded.
    """

    number: int
    offset: int
    size: tuple[int, int] | None
    stored_size: tuple[int, int] | None = None
    orientation: Orientation = "upright"
    problem: str | None = None
    decoded: bool = False


@dataclass
class ScanResult:
    bytes: int
    problems: list[str]
    images: list[ScannedImage]


class ScanPool:
    """Worker processes. Create it after all archives are open: the workers inherit them when they are forked."""

    def __init__(self, archives: dict[str, OpenArchive]) -> None:
        global _archives
        _archives = archives
        cores = len(os.sched_getaffinity(0))
        self.executor = ProcessPoolExecutor(
            min(cores, MAX_PROCESSES), get_context("fork"), initializer=_begin, initargs=(os.getpid(),)
        )


_archives: dict[str, OpenArchive] = {}


def _begin(parent: int) -> None:
    die_with_parent(parent, signal.SIGKILL)
    # No reference cycles are created here, and COCO's JSON has millions of objects to traverse.
    gc.disable()


def scan(archive: str, first: int, last: int) -> ScanResult:
    """Reads entries `first` to `last - 1` completely: verifies their CRC and determines the size of images."""
    one = _archives[archive]
    done = ScanResult(0, [], [])
    for number in range(first, last):
        entry = one.entries[number]
        done.bytes += entry.compressed
        try:
            if entry.name.startswith(one.image_folders) and not entry.name.endswith(NOT_IMAGE_SUFFIXES):
                done.images.append(_scan_image(one, number))
            else:
                for _ in open_entry(one.descriptor, entry)[1]:
                    pass
        except Refused as refused:
            done.problems.append(str(refused))
    return done


def _scan_image(archive: OpenArchive, number: int) -> ScannedImage:
    entry = archive.entries[number]
    offset, chunks = open_entry(archive.descriptor, entry)
    content = b"".join(chunks)
    size = read_plain_size(content)
    if size and number not in archive.sample:
        return ScannedImage(number, offset, size)
    loaded = decode(content)
    if isinstance(loaded, str):
        return ScannedImage(number, offset, None, problem=loaded, decoded=True)
    return ScannedImage(number, offset, loaded.size, loaded.stored_size, loaded.orientation, decoded=True)


def compare_orientation(archive: str, number: int, outlines: list[Outline]) -> int:
    """Compares outlines with the edges of a rotated image (orientation_evidence.py). Raises Refused."""
    one = _archives[archive]
    return compare(b"".join(open_entry(one.descriptor, one.entries[number])[1]), outlines)


def read_annotations(archive: str, number: int, split: str, into: Path, masks_from_boxes: bool) -> Annotations | str:
    """Copies a split's annotations out of their archive and checks them. Returns a text if the archive is refused."""
    one = _archives[archive]
    entry = one.entries[number]
    if entry.size > MAX_ANNOTATION_BYTES:
        return f"entry {quote(entry.name)} has {entry.size} bytes, more than the limit of {MAX_ANNOTATION_BYTES}"
    try:
        _write_annotations(into, b"".join(open_entry(one.descriptor, entry)[1]))
    except Refused as refused:
        return str(refused)
    return _check_written(into, split, masks_from_boxes)


def copy_annotations(path: Path, split: str, into: Path, masks_from_boxes: bool) -> Annotations:
    """Copies a split's annotations from a separate file and checks them."""
    _write_annotations(into, path.read_bytes())
    return _check_written(into, split, masks_from_boxes)


def _write_annotations(into: Path, content: bytes) -> None:
    with write_atomic(into) as stream:
        stream.write(content.removeprefix(codecs.BOM_UTF8))


def _check_written(into: Path, split: str, masks_from_boxes: bool) -> Annotations:
    """Checks the written annotations, replaces them if something had to be changed, and writes their samples."""
    checked = check_file(into, split, masks_from_boxes)
    if checked.content:
        _write_annotations(into, checked.content)
    if not checked.problems:
        # Imported here: the command's own process needs no NumPy.
        from everswin_trainer.data.sample_file import write_samples

        # The samples need the text in the place of the parsed records.
        trim_heap()
        write_samples(into, checked.layout)
    # The caller in another process needs no copy.
    checked.content, checked.layout = b"", None
    return checked


def split_tasks(entries: list[Entry]) -> Iterator[tuple[int, int]]:
    """Splits a list of entries into ranges (first, last + 1) of about equal work."""
    first, size = 0, 0
    for number, entry in enumerate(entries):
        size += entry.compressed
        if size >= TASK_BYTES or number - first + 1 >= TASK_ENTRIES:
            yield first, number + 1
            first, size = number + 1, 0
    if first < len(entries):
        yield first, len(entries)


def extract(archive: str, targets: Iterable[tuple[int, Path]]) -> int:
    """Writes entries to new files, which the caller syncs. Returns the number of bytes. Raises Refused."""
    one = _archives[archive]
    written = 0
    for number, path in targets:
        with open(path, "xb") as stream:
            for chunk in open_entry(one.descriptor, one.entries[number])[1]:
                written += stream.write(chunk)
    return written
