"""Decodes an image as MMDetection's LoadImageFromFile does, and detects an orientation that changes the result."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, NamedTuple

from everswin_trainer.data.exif import SIGNATURE, UPRIGHT, read_orientation, without_orientation
from everswin_trainer.data.file_kind import HEAD_BYTES, name_kind
from everswin_trainer.data.image_header import (
    END_OF_JPEG,
    END_OF_PNG,
    PNG_SIGNATURE,
    START_OF_JPEG,
    has_end_of_jpeg,
)

if TYPE_CHECKING:
    import numpy

# `turned`: OpenCV rotates or flips the image on loading. `ignored`: the file has an orientation that OpenCV ignores,
# but other programs may apply.
Orientation = Literal["upright", "turned", "ignored"]

TIFF_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
EXIF_MARKS = (b"Exif", b"eXIf", b"EXIF")
# libjpeg writes this to stderr, and fills the rest of the image with gray.
STDERR, MAX_MESSAGE_BYTES = 2, 64 << 10
PREMATURE_END = b"premature end"
TRUNCATED = "truncated, so that OpenCV cannot decode it"
DAMAGED = "damaged, so that OpenCV cannot decode it"
EMPTY = "is empty"
NOT_DECODABLE = "cannot be decoded"
INCOMPLETE = (EMPTY, TRUNCATED, DAMAGED)


class LoadedImage(NamedTuple):
    """(width, height) as training loads the image and as the file stores it."""

    size: tuple[int, int]
    stored_size: tuple[int, int]
    orientation: Orientation


def decode(content: bytes) -> LoadedImage | str:
    """Returns what OpenCV loads, or the reason why it cannot load the image."""
    # Imported here: OpenCV takes 0.1 s to import.
    import cv2

    if not content:
        return EMPTY
    with tempfile.TemporaryFile() as messages, _stderr_in(messages.fileno()):
        image = _decode(content, cv2.IMREAD_COLOR)
        stored = _decode_as_stored(content)
        text = os.pread(messages.fileno(), MAX_MESSAGE_BYTES, 0)
    if image is None:
        return _explain(content)
    if PREMATURE_END in text or (content.startswith(START_OF_JPEG) and not has_end_of_jpeg(content)):
        return TRUNCATED
    size, stored_size = _size(image), _size(image if stored is None else stored)
    if stored is not None and (size != stored_size or (image != stored).any()):
        return LoadedImage(size, stored_size, "turned")
    # Annotations of a program that applies a quarter turn would differ in size, unless the image is square.
    ambiguous = (2, 3, 4) if size[0] != size[1] else range(2, 9)
    return LoadedImage(size, stored_size, "ignored" if _find_orientation(content) in ambiguous else "upright")


def decode_both(content: bytes) -> "tuple[numpy.ndarray, numpy.ndarray]":
    """Returns an image that OpenCV turns, as it loads the image and as the file stores it."""
    import cv2

    loaded, stored = _decode(content, cv2.IMREAD_COLOR), _decode_as_stored(content)
    assert loaded is not None and stored is not None, "decode() accepted the image before"
    return loaded, stored


def _explain(content: bytes) -> str:
    if content.startswith((START_OF_JPEG, PNG_SIGNATURE)):
        return DAMAGED if content.endswith((END_OF_JPEG, END_OF_PNG)) else TRUNCATED
    kind = name_kind(content[:HEAD_BYTES])
    if kind is None:
        return NOT_DECODABLE
    # OpenCV reads these formats in general.
    if kind.name in ("a GIF image", "a TIFF image", "a WebP image", "an AVIF image"):
        return f"is {kind.name} that is damaged, or of a variant that OpenCV cannot decode"
    return f"is {kind.name}, which training cannot read"


def _decode(content: bytes, flags: int) -> "numpy.ndarray | None":
    import cv2
    import numpy

    try:
        return cv2.imdecode(numpy.frombuffer(content, numpy.uint8), flags)
    except cv2.error:
        return None


def _decode_as_stored(content: bytes) -> "numpy.ndarray | None":
    """Returns the image without its orientation, or None for a file that has none."""
    import cv2

    if content.startswith(TIFF_SIGNATURES):
        # OpenCV applies the orientation of a TIFF file even with IMREAD_IGNORE_ORIENTATION.
        return _decode(without_orientation(content), cv2.IMREAD_COLOR) if read_orientation(content) != UPRIGHT else None
    if any(mark in content for mark in EXIF_MARKS):
        return _decode(content, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    return None


def _find_orientation(content: bytes) -> int:
    """Returns the EXIF orientation that another program may apply, also for the boxes of an AVIF file."""
    if content[4:8] == b"ftyp":
        head = content[: content.find(b"mdat")]
        at = head.find(b"irot")
        quarters = head[at + 4] & 3 if at >= 0 else 0
        return (1, 8, 3, 6)[quarters] if quarters else 2 if b"imir" in head else UPRIGHT
    at = content.find(SIGNATURE)
    return read_orientation(content[at + len(SIGNATURE) :]) if at >= 0 else UPRIGHT


def _size(image: "numpy.ndarray") -> tuple[int, int]:
    return image.shape[1], image.shape[0]


@contextmanager
def _stderr_in(descriptor: int) -> Iterator[None]:
    """Redirects what the decoders write to stderr."""
    original = os.dup(STDERR)
    os.dup2(descriptor, STDERR)
    try:
        yield
    finally:
        os.dup2(original, STDERR)
        os.close(original)
