"""Reads the size of plain JPEG and PNG images from their headers, which is a hundred times faster than decoding them.

An image is plain if its header proves what OpenCV loads: nothing rotates it, it is complete, and every decoder supports
it. Any other image has to be decoded.
"""

import struct
import zlib
from collections.abc import Iterator

from everswin_trainer.data.check_annotations import MAX_PIXELS
from everswin_trainer.data.exif import has_no_orientation

# Start-of-frame markers, which carry the size. C4, C8 and CC in this range mark other segments.
FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# Baseline, extended and progressive frames, which every decoder supports.
SUPPORTED_FRAMES = frozenset((0xC0, 0xC1, 0xC2))
PROGRESSIVE, START_OF_SCAN, APP1 = 0xC2, 0xDA, 0xE1
WITHOUT_LENGTH = frozenset((0x01, *range(0xD0, 0xD9)))
START_OF_JPEG, END_OF_JPEG = b"\xff\xd8", b"\xff\xd9"
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
END_OF_PNG = b"IEND\xaeB`\x82"
EXIF_SIGNATURE = b"Exif"
# eXIf holds an orientation, acTL marks an animation.
PNG_CHUNKS_TO_DECODE = (b"eXIf", b"acTL")
# OpenCV decodes no image that is wider or higher.
MAX_SIDE = 1 << 20


def read_plain_size(content: bytes) -> tuple[int, int] | None:
    """Returns (width, height) of a plain JPEG or PNG image, and None for any other content."""
    try:
        if content.startswith(START_OF_JPEG):
            size = _read_jpeg(content)
        elif content.startswith(PNG_SIGNATURE):
            size = _read_png(content)
        else:
            return None
    except (struct.error, IndexError):
        return None
    if size is None or not all(0 < side <= MAX_SIDE for side in size) or size[0] * size[1] > MAX_PIXELS:
        return None
    return size


def has_end_of_jpeg(content: bytes) -> bool:
    """Returns whether the scans of a JPEG image have an end; other data may follow it."""
    try:
        scan = next((at for marker, at, _ in _segments(content) if marker == START_OF_SCAN), None)
    except (struct.error, IndexError):
        return False
    return scan is not None and END_OF_JPEG in content[scan:]


def _segments(content: bytes) -> Iterator[tuple[int, int, int]]:
    """Yields (marker, begin of the content, end) of the segments before the first scan, and of its header."""
    at, marker = len(START_OF_JPEG), 0
    while marker != START_OF_SCAN and content[at] == 0xFF:
        marker = content[at + 1]
        if marker == 0xFF:
            at += 1
        elif marker in WITHOUT_LENGTH:
            at += 2
        else:
            (length,) = struct.unpack_from(">H", content, at + 2)
            yield marker, at + 4, at + 2 + length
            at += 2 + max(length, 2)


def _read_jpeg(content: bytes) -> tuple[int, int] | None:
    if not content.endswith(END_OF_JPEG):
        return None
    size, components, progressive = None, 0, False
    for marker, begin, end in _segments(content):
        if end < begin:
            return None
        if marker in FRAME_MARKERS:
            bits, height, width, components = struct.unpack_from(">BHHB", content, begin)
            if size or marker not in SUPPORTED_FRAMES or bits != 8 or components not in (1, 3):
                return None
            size, progressive = (width, height), marker == PROGRESSIVE
        elif marker == APP1 and content.startswith(EXIF_SIGNATURE, begin):
            # OpenCV reads the first of several Exif segments; the header proves nothing about them.
            if content.count(EXIF_SIGNATURE, begin, end) > 1 or not has_no_orientation(content[begin:end]):
                return None
        elif marker == START_OF_SCAN:
            # A decoder reads the segments between the scans before it returns the image.
            several_scans = progressive or content[begin] < components
            return None if several_scans and EXIF_SIGNATURE in content[begin:] else size
    return None


def _read_png(content: bytes) -> tuple[int, int] | None:
    """Walks all chunks and verifies their CRC-32, as the decoder does."""
    at, size = len(PNG_SIGNATURE), None
    view = memoryview(content)
    while True:
        length, kind = struct.unpack_from(">L4s", content, at)
        (crc,) = struct.unpack_from(">L", content, at + 8 + length)
        if kind in PNG_CHUNKS_TO_DECODE or zlib.crc32(view[at + 4 : at + 8 + length]) != crc:
            return None
        if size is None:
            if (length, kind) != (13, b"IHDR"):
                return None
            width, height = struct.unpack_from(">LL", content, at + 8)
            size = (width, height)
        at += 12 + length
        if kind == b"IEND":
            return size
