"""Where each image of a split lies in its archive: one file that every loader process maps, none of them reads.

`EVSWIDX1`, the number of images, then a record and a name for each, both in the order of the names' bytes, so that a
name is found by halving. Mapped pages are shared: the index of COCO's 118,287 training images costs a process nothing.
"""

import mmap
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from .whole_file import whole_file

MAGIC = b"EVSWIDX1"
HEAD = struct.Struct("<8sQ")
# Offset of the data, packed bytes, bytes, where its name ends among the names, CRC-32, method.
RECORD = struct.Struct("<4Q2L")


class Place(NamedTuple):
    """Bytes `offset` .. `offset + packed` of the archive."""

    offset: int
    packed: int
    size: int
    crc: int
    method: int


def write_index(path: Path, places: Iterable[tuple[str, Place]]) -> None:
    """Writes the file whole or not at all."""
    ordered = sorted((name.encode(), place) for name, place in places)
    with whole_file(path) as stream:
        stream.write(HEAD.pack(MAGIC, len(ordered)))
        end = 0
        for name, place in ordered:
            end += len(name)
            stream.write(RECORD.pack(place.offset, place.packed, place.size, end, place.crc, place.method))
        stream.write(b"".join(name for name, _ in ordered))


class ImageIndex:
    """A mapped index. Raises ValueError for a file that is none, or is cut off."""

    def __init__(self, path: Path) -> None:
        with open(path, "rb") as stream:
            self._bytes = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        magic, self._count = HEAD.unpack_from(self._bytes) if len(self._bytes) >= HEAD.size else (b"", 0)
        self._names = HEAD.size + self._count * RECORD.size
        end = self._name_end(self._count - 1) if magic == MAGIC and self._names <= len(self._bytes) else -1
        if self._names + end != len(self._bytes):
            raise ValueError(f"expected {path} to be an index of images, whole")

    def __len__(self) -> int:
        return self._count

    def find(self, name: str) -> Place | None:
        wanted = name.encode()
        low, high = 0, self._count
        while low < high:
            middle = (low + high) // 2
            found = self._name(middle)
            if found == wanted:
                return self._place(middle)
            low, high = (middle + 1, high) if found < wanted else (low, middle)
        return None

    def all(self) -> Iterator[tuple[str, Place]]:
        return ((self._name(number).decode(), self._place(number)) for number in range(self._count))

    def _place(self, number: int) -> Place:
        offset, packed, size, _, crc, method = RECORD.unpack_from(self._bytes, HEAD.size + number * RECORD.size)
        return Place(offset, packed, size, crc, method)

    def _name(self, number: int) -> bytes:
        return self._bytes[self._names + self._name_end(number - 1) : self._names + self._name_end(number)]

    def _name_end(self, number: int) -> int:
        return RECORD.unpack_from(self._bytes, HEAD.size + number * RECORD.size)[3] if number >= 0 else 0
