"""What the first and last bytes of an image say: its kind, its size, how it is turned, whether it is whole."""

import struct
from typing import NamedTuple

# Frames with a size: all SOF markers, without the tables (C4, C8, CC) among them.
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# Frames that every decoder knows: baseline, extended, progressive.
USUAL_FRAMES = frozenset((0xC0, 0xC1, 0xC2))
WITHOUT_LENGTH = frozenset((0x01, *range(0xD0, 0xD9)))
END_OF_JPEG = b"\xff\xd9"
PNG_SIGN = b"\x89PNG\r\n\x1a\n"
END_OF_PNG = b"IEND\xaeB`\x82"
EXIF_SIGN = b"Exif\0\0"
ORIENTATION = 0x0112
# Some cameras and sites leave something behind the end.
TAIL_BYTES = 64 << 10


class ImageHeader(NamedTuple):
    """Sizes in pixels as stored; `orientation` is EXIF's 1..8. `usual` means that any decoder should read it."""

    width: int
    height: int
    orientation: int
    whole: bool
    usual: bool

    @property
    def seen(self) -> tuple[int, int]:
        """(width, height) as loaded: OpenCV turns an image as its EXIF data say."""
        return (self.height, self.width) if self.orientation >= 5 else (self.width, self.height)


def read_header(head: bytes | memoryview, tail: bytes | memoryview, size: int) -> ImageHeader | None:
    """From the first bytes of an image of `size` bytes, and the last ones; they may be the same.

    None for one that is neither JPEG nor PNG, or is damaged.
    """
    head = bytes(head)
    try:
        if head.startswith(b"\xff\xd8"):
            return _read_jpeg(head, tail, size)
        if head.startswith(PNG_SIGN):
            return _read_png(head, tail)
    except (struct.error, IndexError):
        pass
    return None


def _ends_with(tail: bytes | memoryview, end: bytes, most: int) -> bool:
    """Whether the end is among the last `most` bytes, whatever comes behind it."""
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
        if marker in FRAMES:
            bits, height, width = struct.unpack_from(">BHH", head, at + 4)
            if not height or not width:
                return None
            # A preview inside the EXIF data has an end of its own, before this.
            whole = _ends_with(tail, END_OF_JPEG, size - at)
            return ImageHeader(width, height, orientation, whole, marker in USUAL_FRAMES and bits == 8)
        if marker == 0xE1 and head.startswith(EXIF_SIGN, at + 4):
            orientation = _read_orientation(head[at + 4 + len(EXIF_SIGN) : at + 2 + length])
        if length < 2 or marker == 0xDA:
            return None
        at += 2 + length
    return None


def _read_orientation(tiff: bytes) -> int:
    """1 where nothing sensible is said."""
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
    length, kind, width, height = struct.unpack_from(">L4sLL", head, len(PNG_SIGN))
    if (length, kind) != (13, b"IHDR") or not width or not height:
        return None
    return ImageHeader(width, height, 1, _ends_with(tail, END_OF_PNG, TAIL_BYTES), True)
