"""Reads one entry of an archive by offset, in chunks, and verifies it against both of its headers."""

import os
import zlib
from collections.abc import Iterator

from everswin_trainer.data.zip_directory import (
    DEFLATED,
    ENCRYPTED,
    HAS_DATA_DESCRIPTOR,
    LOCAL,
    LOCAL_SIGNATURE,
    OVERFLOW32,
    Entry,
    Refused,
    find_zip64,
    quote,
    read_exactly,
)

# Most images fit into one chunk.
CHUNK_BYTES = 4 << 20


def open_entry(descriptor: int, entry: Entry) -> tuple[int, Iterator[bytes | memoryview]]:
    """Returns the offset of the entry's data and its content in chunks, verified once the last chunk is read.

    Raises Refused, also while the chunks are read, and OSError.
    """
    ahead = LOCAL.size + len(entry.raw_name) + min(entry.compressed, CHUNK_BYTES)
    # Leaves space for the extra field, whose length is in the header.
    first = os.pread(descriptor, min(ahead + 64, entry.limit - entry.offset), entry.offset)
    skip = _check_local(descriptor, entry, first)
    chunks = _compressed_chunks(descriptor, entry, memoryview(first)[skip : skip + entry.compressed], skip)
    return entry.offset + skip, _checked(entry, _inflate(chunks, entry) if entry.method == DEFLATED else chunks)


def _checked(entry: Entry, chunks: Iterator[bytes | memoryview]) -> Iterator[bytes | memoryview]:
    crc, size = 0, 0
    for chunk in chunks:
        crc = zlib.crc32(chunk, crc)
        size += len(chunk)
        yield chunk
    if size != entry.size:
        raise _wrong(entry, f"has {size} bytes, the central directory declares {entry.size}")
    if crc != entry.crc:
        raise _wrong(entry, "has the wrong CRC-32: it is damaged")


def _check_local(descriptor: int, entry: Entry, first: bytes) -> int:
    """Verifies the local header and returns its length."""
    if len(first) < LOCAL.size + len(entry.raw_name):
        first = read_exactly(descriptor, entry.offset, LOCAL.size + len(entry.raw_name))
    signature, _, flags, method, _, _, crc, compressed, size, name_bytes, extra_bytes = LOCAL.unpack_from(first)
    if signature != LOCAL_SIGNATURE:
        raise _wrong(entry, f"has no local header at byte {entry.offset}")
    if first[LOCAL.size : LOCAL.size + name_bytes] != entry.raw_name or name_bytes != len(entry.raw_name):
        raise _wrong(entry, "has a different name in its local header")
    if method != entry.method or flags & ENCRYPTED:
        raise _wrong(entry, "has a different method in its local header")
    skip = LOCAL.size + name_bytes + extra_bytes
    if entry.offset + skip + entry.compressed > entry.limit:
        raise _wrong(entry, f"extends past byte {entry.limit}, where the next entry begins")
    if OVERFLOW32 in (compressed, size):
        begin = entry.offset + LOCAL.size + name_bytes
        compressed, size = _resolve_zip64_sizes(entry, read_exactly(descriptor, begin, extra_bytes), compressed, size)
    local = (crc, compressed, size)
    # A streaming writer stores sizes and CRC in a data descriptor after the data.
    unknown = bool(flags & HAS_DATA_DESCRIPTOR)
    for actual, expected in zip(local, (entry.crc, entry.compressed, entry.size), strict=True):
        if actual != expected and not (unknown and actual == 0):
            raise _wrong(entry, f"has {actual} in its local header and {expected} in the central directory")
    return skip


def _resolve_zip64_sizes(entry: Entry, extra: bytes, compressed: int, size: int) -> tuple[int, int]:
    content = find_zip64(extra)
    if content is None or len(content) < 16:
        raise _wrong(entry, "has no zip64 field in its local header for its 64-bit numbers")
    long_size, long_packed = (int.from_bytes(content[at : at + 8], "little") for at in (0, 8))
    return long_packed if compressed == OVERFLOW32 else compressed, long_size if size == OVERFLOW32 else size


def _compressed_chunks(descriptor: int, entry: Entry, first: memoryview, skip: int) -> Iterator[memoryview | bytes]:
    yield first
    done = len(first)
    while done < entry.compressed:
        count = min(CHUNK_BYTES, entry.compressed - done)
        yield read_exactly(descriptor, entry.offset + skip + done, count)
        done += count


def _inflate(chunks: Iterator[memoryview | bytes], entry: Entry) -> Iterator[bytes]:
    """Inflates chunks; stops as soon as the output exceeds the declared size."""
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    room = entry.size + 1
    try:
        for chunk in chunks:
            if chunk and inflate.eof:
                raise _wrong(entry, "has data after its end")
            while not inflate.eof:
                most = min(room, CHUNK_BYTES)
                content = inflate.decompress(chunk, most)
                room -= len(content)
                if room <= 0:
                    raise _wrong(
                        entry, f"expands to more than the {entry.size} bytes that the central directory declares"
                    )
                yield content
                chunk = inflate.unconsumed_tail
                if not chunk and len(content) < most:
                    break
            if inflate.unused_data:
                raise _wrong(entry, "has data after its end")
    except zlib.error as error:
        raise _wrong(entry, f"cannot be decompressed ({error})") from error
    if not inflate.eof:
        raise _wrong(entry, "ends in the middle of its compressed data")


def _wrong(entry: Entry, problem: str) -> Refused:
    return Refused(f"entry {quote(entry.name)} {problem}")
