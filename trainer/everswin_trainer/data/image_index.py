"""Where each image of a split lies in its archive: one file that every loader process maps, none of them reads.

`EVSWIDX1` and three numbers; a record for each image, by name; a table that leads from a name's CRC-32 to its record;
the names. Mapped pages are shared between processes, and only those are loaded that a look-up touches, so the index of
COCO's 118,287 training images is there at once and costs a process nothing.
"""

import mmap
import struct
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from everswin_trainer.system.atomic_file import write_atomic

MAGIC = b"EVSWIDX1"
# Number of images, of places in the table (a power of two), bytes of all names.
HEAD = struct.Struct("<8s3Q")
# Offset of the data, packed bytes, bytes, where its name ends among the names, CRC-32, method.
RECORD = struct.Struct("<4Q2L")
# 1 + the number of a record; 0 is a free place. Of names that lead to one place, the later ones take the next free one.
SLOT = struct.Struct("<L")


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
    # Half of it stays free, so that a look-up ends soon.
    slots = 1 << (2 * len(ordered)).bit_length()
    table = [0] * slots
    for number, (name, _) in enumerate(ordered):
        at = zlib.crc32(name) % slots
        while table[at]:
            at = (at + 1) % slots
        table[at] = number + 1
    with write_atomic(path) as stream:
        stream.write(HEAD.pack(MAGIC, len(ordered), slots, sum(len(name) for name, _ in ordered)))
        end = 0
        for name, place in ordered:
            end += len(name)
            stream.write(RECORD.pack(place.offset, place.packed, place.size, end, place.crc, place.method))
        stream.write(struct.pack(f"<{slots}L", *table))
        stream.write(b"".join(name for name, _ in ordered))


class ImageIndex:
    """A mapped index. Raises ValueError for a file that is none, or is cut off."""

    def __init__(self, path: Path) -> None:
        with open(path, "rb") as stream:
            self._bytes = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        head = HEAD.unpack_from(self._bytes) if len(self._bytes) >= HEAD.size else (b"", 0, 0, 0)
        magic, self._count, self._slots, names = head
        self._table = HEAD.size + self._count * RECORD.size
        self._names = self._table + self._slots * SLOT.size
        if magic != MAGIC or not self._slots or self._names + names != len(self._bytes):
            raise ValueError(f"expected {path} to be an index of images, whole")

    def __len__(self) -> int:
        return self._count

    def find(self, name: str) -> int | None:
        """The image's number, 0 .. len-1."""
        wanted = name.encode()
        at = zlib.crc32(wanted) % self._slots
        while number := SLOT.unpack_from(self._bytes, self._table + at * SLOT.size)[0]:
            if self._name(number - 1) == wanted:
                return number - 1
            at = (at + 1) % self._slots
        return None

    def all(self) -> Iterator[tuple[str, Place]]:
        return ((self._name(number).decode(), self.place(number)) for number in range(self._count))

    def place(self, number: int) -> Place:
        offset, packed, size, _, crc, method = RECORD.unpack_from(self._bytes, HEAD.size + number * RECORD.size)
        return Place(offset, packed, size, crc, method)

    def _name(self, number: int) -> bytes:
        return self._bytes[self._names + self._name_end(number - 1) : self._names + self._name_end(number)]

    def _name_end(self, number: int) -> int:
        return RECORD.unpack_from(self._bytes, HEAD.size + number * RECORD.size)[3] if number >= 0 else 0
