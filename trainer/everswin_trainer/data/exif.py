"""Reads the orientation from EXIF data as the standard defines it. OpenCV deviates from it, so the decoder decides."""

import struct

SIGNATURE = b"Exif\0\0"
ORIENTATION = 0x0112
UPRIGHT = 1
ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
BIG_ORDERS = {b"II+\0": "<", b"MM\0+": ">"}
# TIFF types that hold an integer: BYTE, SHORT, LONG and their signed variants.
FORMATS = {1: "B", 3: "H", 4: "L", 6: "b", 8: "h", 9: "l"}
SHORT = 3


def has_no_orientation(segment: bytes) -> bool:
    """Returns whether an Exif segment is well-formed and leaves the image as it is, for every decoder."""
    tiff = segment[len(SIGNATURE) :]
    order = ORDERS.get(tiff[:4])
    if not segment.startswith(SIGNATURE) or order is None:
        return False
    try:
        entries = _find_orientations(tiff, order)
        return all(
            (kind, count, struct.unpack_from(f"{order}H", tiff, at)[0]) == (SHORT, 1, UPRIGHT)
            for kind, count, at in entries
        )
    except struct.error:
        return False


def read_orientation(tiff: bytes) -> int:
    """Returns the orientation, 1 to 8, of TIFF data, and 1 for data without a valid one."""
    try:
        for order, kind, at in _find_values(tiff):
            value = struct.unpack_from(f"{order}{FORMATS.get(kind, 'H')}", tiff, at)[0]
            return int(value) if UPRIGHT <= value <= 8 else UPRIGHT
    except struct.error:
        pass
    return UPRIGHT


def without_orientation(tiff: bytes) -> bytes:
    """Returns a TIFF file with the orientation of its first image removed."""
    changed = bytearray(tiff)
    try:
        for order, kind, at in _find_values(tiff):
            struct.pack_into(f"{order}{FORMATS.get(kind, 'H')}", changed, at, UPRIGHT)
    except struct.error:
        pass
    return bytes(changed)


def _find_values(tiff: bytes) -> list[tuple[str, int, int]]:
    """Returns (byte order, type, offset) of each orientation in a TIFF or BigTIFF file. Raises struct.error."""
    if order := ORDERS.get(tiff[:4]):
        return [(order, kind, at) for kind, _, at in _find_orientations(tiff, order)]
    if order := BIG_ORDERS.get(tiff[:4]):
        (start,) = struct.unpack_from(f"{order}Q", tiff, 8)
        (count,) = struct.unpack_from(f"{order}Q", tiff, start)
        places = range(start + 8, min(start + 8 + 20 * count, len(tiff)), 20)
        entries = [(*struct.unpack_from(f"{order}HH", tiff, at), at + 12) for at in places]
        return [(order, kind, at) for tag, kind, at in entries if tag == ORIENTATION]
    return []


def _find_orientations(tiff: bytes, order: str) -> list[tuple[int, int, int]]:
    """Returns (type, count, offset of the value) of each orientation in the first directory. Raises struct.error."""
    (start,) = struct.unpack_from(f"{order}L", tiff, 4)
    (count,) = struct.unpack_from(f"{order}H", tiff, start)
    entries = [
        (*struct.unpack_from(f"{order}HHL", tiff, at), at + 8) for at in range(start + 2, start + 2 + 12 * count, 12)
    ]
    return [(kind, values, at) for tag, kind, values, at in entries if tag == ORIENTATION]
