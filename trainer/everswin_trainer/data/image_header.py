"""Parses the header of a JPEG or PNG image: format, size and EXIF orientation; detects truncation."""

import struct
from typing import NamedTuple

# Start-of-frame markers, which carry the size. C4, C8 and CC in this range mark other segments.
FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# Baseline, extended and progressive frames, which every decoder supports.
SUPPORTED_FRAMES = frozenset((0xC0, 0xC1, 0xC2))
WITHOUT_LENGTH = frozenset((0x01, *range(0xD0, 0xD9)))
END_OF_JPEG = b"\xff\xd9"
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
END_OF_PNG = b"IEND\xaeB`\x82"
EXIF_SIGNATURE = b"Exif\0\0"
ORIENTATION = 0x0112
# Some cameras and websites append data after the end of the image.
TAIL_BYTES = 64 << 10


class ImageHeader(NamedTuple):
    """An image's header: stored size in pixels, EXIF `orientation` 1 to 8, and whether every decoder supports it."""

    width: int
    height: int
    orientation: int
    complete: bool
    supported: bool

    @property
    def loaded_size(self) -> tuple[int, int]:
        """Returns (width, height) as loaded: OpenCV rotates an image as its EXIF orientation says."""
        return (self.height, self.width) if self.orientation >= 5 else (self.width, self.height)


def read_header(head: bytes | memoryview, tail: bytes | memoryview, size: int) -> ImageHeader | None:
    """Parses the first and last bytes of an image of `size` bytes; the two may overlap.

    Returns None for a damaged image and for any format but JPEG and PNG.
    """
    head = bytes(head)
    try:
        if head.startswith(b"\xff\xd8"):
            return _read_jpeg(head, tail, size)
        if head.startswith(PNG_SIGNATURE):
            return _read_png(head, tail)
    except (struct.error, IndexError):
        pass
    return None


def _ends_with(tail: bytes | memoryview, end: bytes, most: int) -> bool:
    """Returns whether the end marker is among the last `most` bytes; other data may follow it."""
    return bytes(tail[-len(end) :]) == end or end in bytes(tail[-min(most, TAIL_BYTES) :])


def _read_jpeg(head: bytes, tail: bytes | memoryview, size: int) -> ImageHeader | None:
    at, orientation = 2, 1
    while head[at] == 0xFF:
        marker = head[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if marker in WITHOUT_LENGTH:
            at += 2
            continue
        (length,) = struct.unpack_from(">H", head, at + 2)
        if marker in FRAME_MARKERS:
            bits, height, width = struct.unpack_from(">BHH", head, at + 4)
            if not height or not width:
                return None
            # The EXIF preview has an end marker too, which comes before the frame.
            complete = _ends_with(tail, END_OF_JPEG, size - at)
            return ImageHeader(width, height, orientation, complete, marker in SUPPORTED_FRAMES and bits == 8)
        if marker == 0xE1 and head.startswith(EXIF_SIGNATURE, at + 4):
            orientation = _read_orientation(head[at + 4 + len(EXIF_SIGNATURE) : at + 2 + length])
        if length < 2 or marker == 0xDA:
            return None
        at += 2 + length
    return None


def _read_orientation(tiff: bytes) -> int:
    """Returns the EXIF orientation, or 1 if it is missing or invalid."""
    try:
        order = {b"II": "<", b"MM": ">"}[tiff[:2]]
        (at,) = struct.unpack_from(f"{order}L", tiff, 4)
        (count,) = struct.unpack_from(f"{order}H", tiff, at)
        for number in range(min(count, 512)):
            tag, kind = struct.unpack_from(f"{order}HH", tiff, at + 2 + 12 * number)
            if tag == ORIENTATION and kind == 3:
                (value,) = struct.unpack_from(f"{order}H", tiff, at + 10 + 12 * number)
                return value if 1 <= value <= 8 else 1
    except (KeyError, struct.error):
        pass
    return 1


def _read_png(head: bytes, tail: bytes | memoryview) -> ImageHeader | None:
    length, kind, width, height = struct.unpack_from(">L4sLL", head, len(PNG_SIGNATURE))
    if (length, kind) != (13, b"IHDR") or not width or not height:
        return None
    return ImageHeader(width, height, 1, _ends_with(tail, END_OF_PNG, TAIL_BYTES), True)
