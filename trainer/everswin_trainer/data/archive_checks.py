"""The part of the preparation that is done side by side, in processes forked from the one that knows everything.

Threads would not do: reading one large JSON keeps Python's lock for seconds.
"""

import gc
import os
import signal
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

from everswin_trainer.data.check_annotations import Annotations, check_annotations
from everswin_trainer.data.image_header import TAIL_BYTES, ImageHeader, read_header
from everswin_trainer.data.zip_entry import open_entry
from everswin_trainer.data.zip_list import Entry, Refused, quote
from everswin_trainer.system.atomic_file import write_atomic
from everswin_trainer.system.process_tree import die_with_parent

HEAD_BYTES = 64 << 10
# In memory at once, several times over.
MAX_ANNOTATION_BYTES = 8 << 30
MOST_PROCESSES = 16
# Everything else may be an image: OpenCV goes by the content.
NO_IMAGES = (".json", ".txt", ".csv", ".xml", ".md", ".html", ".yaml", ".yml")


@dataclass
class OpenArchive:
    """`image_folders` are the prefixes under which images are looked at; `sample` are entries to decode whole."""

    name: str
    descriptor: int
    entries: list[Entry]
    image_folders: tuple[str, ...] = ()
    sample: frozenset[int] = frozenset()


class ImageFound(NamedTuple):
    """`number` is that of the entry, `offset` of its data. `problem`: why it cannot be used."""

    number: int
    offset: int
    header: ImageHeader | None
    problem: str | None
    decoded: bool


@dataclass
class Scanned:
    bytes: int
    problems: list[str]
    images: list[ImageFound]


class Checks:
    """The processes, and what they work on. Made after everything is opened: they see it as it was then."""

    def __init__(self, archives: dict[str, OpenArchive]) -> None:
        global _archives
        _archives = archives
        cores = len(os.sched_getaffinity(0))
        self.pool = ProcessPoolExecutor(
            min(cores, MOST_PROCESSES), get_context("fork"), initializer=_begin, initargs=(os.getpid(),)
        )


_archives: dict[str, OpenArchive] = {}


def _begin(parent: int) -> None:
    die_with_parent(parent, signal.SIGKILL)
    # Nothing here goes in circles, and COCO's JSON has millions of objects.
    gc.disable()


def scan(archive: str, first: int, last: int) -> Scanned:
    """Reads entries `first` .. `last`-1 whole: their CRC, and of images what their headers say."""
    one = _archives[archive]
    done = Scanned(0, [], [])
    for number in range(first, last):
        entry = one.entries[number]
        done.bytes += entry.packed
        try:
            if entry.name.startswith(one.image_folders) and not entry.name.endswith(NO_IMAGES):
                done.images.append(_look_at(one, number))
            else:
                for _ in open_entry(one.descriptor, entry)[1]:
                    pass
        except Refused as refused:
            done.problems.append(str(refused))
    return done


def _look_at(archive: OpenArchive, number: int) -> ImageFound:
    entry = archive.entries[number]
    offset, pieces = open_entry(archive.descriptor, entry)
    head: bytes | memoryview = b""
    tail: bytes | memoryview = b""
    for piece in pieces:
        head = head or piece
        tail = piece if len(piece) >= TAIL_BYTES else bytes(tail[-TAIL_BYTES:]) + bytes(piece)
    header = read_header(head[:HEAD_BYTES], tail, entry.size)
    if header is None and len(head) > HEAD_BYTES:
        # Behind a large preview or colour profile.
        header = read_header(head, tail, entry.size)
    if entry.size == 0:
        return ImageFound(number, offset, None, "is empty", False)
    if header is not None and not header.whole:
        return ImageFound(number, offset, header, "is cut off, and OpenCV decodes no such image", False)
    if number not in archive.sample and header is not None and header.usual:
        return ImageFound(number, offset, header, None, False)
    header, problem = _decode(archive, entry, header)
    return ImageFound(number, offset, header, problem, True)


def _decode(archive: OpenArchive, entry: Entry, header: ImageHeader | None) -> tuple[ImageHeader | None, str | None]:
    """Decodes an image as the trainer will. A kind whose header we cannot read gets its size from there."""
    # Only here: it takes a tenth of a second.
    import cv2
    import numpy

    content = b"".join(open_entry(archive.descriptor, entry)[1])
    try:
        image = cv2.imdecode(numpy.frombuffer(content, numpy.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        image = None
    if image is None:
        return header, "cannot be decoded"
    height, width = image.shape[:2]
    if header is None:
        return ImageHeader(width, height, 1, True, True), None
    return header, None if (width, height) == header.seen else "has another size than its header says"


def read_annotations(archive: str, number: int, split: str, into: Path) -> Annotations | str:
    """Takes a split's annotations out of their archive and checks them; a text is why the archive is refused."""
    one = _archives[archive]
    entry = one.entries[number]
    if entry.size > MAX_ANNOTATION_BYTES:
        return f"entry {quote(entry.name)} has {entry.size} bytes, more than {MAX_ANNOTATION_BYTES}"
    try:
        content = b"".join(open_entry(one.descriptor, entry)[1])
    except Refused as refused:
        return str(refused)
    return _keep_and_check(content, split, into)


def copy_annotations(path: Path, split: str, into: Path) -> Annotations:
    """As read_annotations, from a file of its own."""
    return _keep_and_check(path.read_bytes(), split, into)


def _keep_and_check(content: bytes, split: str, into: Path) -> Annotations:
    with write_atomic(into) as stream:
        stream.write(content)
    return check_annotations(content, split)


def extract(archive: str, targets: Iterable[tuple[int, Path]]) -> int:
    """Writes entries to files that must not exist yet; the caller syncs them. Returns their bytes. Raises Refused."""
    one = _archives[archive]
    written = 0
    for number, path in targets:
        with open(path, "xb") as stream:
            for piece in open_entry(one.descriptor, one.entries[number])[1]:
                written += stream.write(piece)
    return written
