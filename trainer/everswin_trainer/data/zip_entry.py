"""Reads one entry of an archive by offset, in chunks, and verifies it against both of its headers."""

import os
import zlib
from collections.abc import Iterator

from everswin_trainer.data.zip_list import (
    DEFLATED,
    ENCRYPTED,
    LOCAL,
    LOCAL_SIGN,
    LONG32,
    SIZES_FOLLOW,
    Entry,
    Refused,
    find_zip64,
    quote,
    read_exactly,
)

# Most images fit into one chunk.
PIECE_BYTES = 4 << 20


def open_entry(descriptor: int, entry: Entry) -> tuple[int, Iterator[bytes | memoryview]]:
    """Returns the offset of the entry's data and its content in chunks, verified once the last chunk is read.

    Raises Refused, also while the chunks are read, and OSError.
    """
    ahead = LOCAL.size + len(entry.raw_name) + min(entry.packed, PIECE_BYTES)
    # Leaves space for the extra field, whose length is in the header.
    first = os.pread(descriptor, min(ahead + 64, entry.limit - entry.offset), entry.offset)
    skip = _check_local(descriptor, entry, first)
    pieces = _packed_pieces(descriptor, entry, memoryview(first)[skip : skip + entry.packed], skip)
    return entry.offset + skip, _checked(entry, _inflate(pieces, entry) if entry.method == DEFLATED else pieces)


def _checked(entry: Entry, pieces: Iterator[bytes | memoryview]) -> Iterator[bytes | memoryview]:
    crc, size = 0, 0
    for piece in pieces:
        crc = zlib.crc32(piece, crc)
        size += len(piece)
        yield piece
    if size != entry.size:
        raise _wrong(entry, f"has {size} bytes, the central directory says {entry.size}")
    if crc != entry.crc:
        raise _wrong(entry, "has the wrong CRC-32: it is damaged")


def _check_local(descriptor: int, entry: Entry, first: bytes) -> int:
    """Verifies the local header and returns its length."""
    if len(first) < LOCAL.size + len(entry.raw_name):
        first = read_exactly(descriptor, entry.offset, LOCAL.size + len(entry.raw_name))
    sign, _, flags, method, _, _, crc, packed, size, name_bytes, extra_bytes = LOCAL.unpack_from(first)
    if sign != LOCAL_SIGN:
        raise _wrong(entry, f"has no local header at byte {entry.offset}")
    if first[LOCAL.size : LOCAL.size + name_bytes] != entry.raw_name or name_bytes != len(entry.raw_name):
        raise _wrong(entry, "has a different name in its local header")
    if method != entry.method or flags & ENCRYPTED:
        raise _wrong(entry, "has a different method in its local header")
    skip = LOCAL.size + name_bytes + extra_bytes
    if entry.offset + skip + entry.packed > entry.limit:
        raise _wrong(entry, f"extends past byte {entry.limit}, where the next entry begins")
    if LONG32 in (packed, size):
        begin = entry.offset + LOCAL.size + name_bytes
        packed, size = _long_sizes(entry, read_exactly(descriptor, begin, extra_bytes), packed, size)
    told = (crc, packed, size)
    # A streaming writer stores sizes and CRC in a data descriptor after the data.
    unknown = bool(flags & SIZES_FOLLOW)
    for said, truth in zip(told, (entry.crc, entry.packed, entry.size), strict=True):
        if said != truth and not (unknown and said == 0):
            raise _wrong(entry, f"has {said} in its local header and {truth} in the central directory")
    return skip


def _long_sizes(entry: Entry, extra: bytes, packed: int, size: int) -> tuple[int, int]:
    content = find_zip64(extra)
    if content is None or len(content) < 16:
        raise _wrong(entry, "has no zip64 field in its local header for its 64-bit numbers")
    long_size, long_packed = (int.from_bytes(content[at : at + 8], "little") for at in (0, 8))
    return long_packed if packed == LONG32 else packed, long_size if size == LONG32 else size


def _packed_pieces(descriptor: int, entry: Entry, first: memoryview, skip: int) -> Iterator[memoryview | bytes]:
    yield first
    done = len(first)
    while done < entry.packed:
        count = min(PIECE_BYTES, entry.packed - done)
        yield read_exactly(descriptor, entry.offset + skip + done, count)
        done += count


def _inflate(pieces: Iterator[memoryview | bytes], entry: Entry) -> Iterator[bytes]:
    """Inflates chunks; stops as soon as the output exceeds the declared size."""
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    room = entry.size + 1
    try:
        for piece in pieces:
            if piece and inflate.eof:
                raise _wrong(entry, "has data after its end")
            while not inflate.eof:
                most = min(room, PIECE_BYTES)
                found = inflate.decompress(piece, most)
                room -= len(found)
                if room <= 0:
                    raise _wrong(entry, f"expands to more than the {entry.size} bytes that the central directory says")
                yield found
                piece = inflate.unconsumed_tail
                if not piece and len(found) < most:
                    break
            if inflate.unused_data:
                raise _wrong(entry, "has data after its end")
    except zlib.error as error:
        raise _wrong(entry, f"cannot be decompressed ({error})") from error
    if not inflate.eof:
        raise _wrong(entry, "ends in the middle of its compressed data")


def _wrong(entry: Entry, what: str) -> Refused:
    return Refused(f"entry {quote(entry.name)} {what}")
