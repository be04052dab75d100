"""Reads the central directory of a zip archive strictly.

Values that the format stores twice must agree, and no entry may point outside the file. Python's zipfile trusts an
archive; this module is for untrusted ones. It returns stored and deflated regular files only, none of which overlap.
"""

import os
import re
import stat
import struct
import unicodedata
from collections.abc import Iterable
from typing import NamedTuple

from everswin_trainer.data.file_kind import HEAD_BYTES, name_kind
from everswin_trainer.data.findings import format_count

STORED, DEFLATED = 0, 8
UTF8_NAME, ENCRYPTED, HAS_DATA_DESCRIPTOR = 0x800, 0x2041, 0x8

LOCAL = struct.Struct("<4s5H3L2H")
CENTRAL = struct.Struct("<4s6H3L5H2L")
END = struct.Struct("<4s4H2LH")
END64 = struct.Struct("<4sQ2H2L4Q")
LOCATOR64 = struct.Struct("<4sLQL")
LOCAL_SIGNATURE, CENTRAL_SIGNATURE, END_SIGNATURE = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
END64_SIGNATURE, LOCATOR64_SIGNATURE = b"PK\x06\x06", b"PK\x06\x07"
OVERFLOW16, OVERFLOW32 = 0xFFFF, 0xFFFF_FFFF
ZIP64_EXTRA = 1

# The central directory of COCO's train2017.zip takes 10 MB.
MAX_DIRECTORY_BYTES = 512 << 20
# Images hardly compress, and JSON of boxes compresses about tenfold; a zip bomb needs hundreds.
MAX_INFLATION = 64
MAX_PART_BYTES, MAX_NAME_BYTES = 255, 1024
PACK_AGAIN = "Pack the files again as one zip archive, or give their folder instead"
FETCH_AGAIN = "Copy or download it again"
UNPACK = "Unpack it and give the folder instead, or pack its files as a zip archive"
METHODS = {9: "Deflate64", 12: "bzip2", 14: "LZMA", 93: "Zstandard", 95: "xz", 98: "PPMd", 99: "AES encryption"}
SAFE_NAME = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9_.-]{0,200}/){0,8}[A-Za-z0-9_][A-Za-z0-9_.-]{0,200}/?")
CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class Refused(Exception):
    """Raised for an archive that is refused. The message gives the reason, without the archive's name."""

    def __init__(self, reason: str, remedy: str = "") -> None:
        super().__init__(reason)
        self.remedy = remedy or PACK_AGAIN


class Entry(NamedTuple):
    """A regular file. `offset` is that of its local header; `limit` is where the next entry begins."""

    name: str
    raw_name: bytes
    offset: int
    limit: int
    compressed: int
    size: int
    crc: int
    method: int
    flags: int


class DirectoryLocation(NamedTuple):
    offset: int
    bytes: int
    entries: int


def read_central_directory(descriptor: int) -> list[Entry]:
    """Returns the regular files of an archive, sorted by offset. Raises Refused, OSError."""
    size = os.fstat(descriptor).st_size
    location = _locate_directory(descriptor, size)
    content = read_exactly(descriptor, location.offset, location.bytes)
    files: list[Entry] = []
    everything: list[tuple[int, int]] = []
    at = 0
    for _ in range(location.entries):
        entry, at = _read_entry(content, at, location.offset)
        everything.append((entry.offset, entry.offset + LOCAL.size + len(entry.raw_name) + entry.compressed))
        if not entry.name.endswith("/"):
            files.append(entry)
    if at != len(content):
        raise Refused(f"its central directory declares {location.entries} entries and holds more")
    if not files:
        raise Refused("it holds no files")
    _refuse_duplicates(entry.name for entry in files)
    _refuse_bomb(files, size)
    return _with_limits(files, everything, location.offset)


def is_hidden(name: str) -> bool:
    """Returns whether a file or folder is hidden, or one of the companions that macOS adds to archives."""
    return name.startswith(".") or name == "__MACOSX"


def quote(name: str) -> str:
    """Returns a name quoted and escaped, so that no control characters reach logs."""
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)
    return f'"{text[:200]}"'


def read_exactly(descriptor: int, offset: int, count: int) -> bytes:
    """Reads `count` bytes. Raises Refused if the file ends earlier."""
    parts = []
    while count > 0:
        part = os.pread(descriptor, count, offset)
        if not part:
            raise Refused(f"it ends at byte {offset}, where more data is expected")
        parts.append(part)
        offset, count = offset + len(part), count - len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def find_zip64(extra: bytes) -> bytes | None:
    """Returns the content of the zip64 extra field, or None. Raises Refused if a field exceeds its space."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, at)
        if at + 4 + length > len(extra):
            # Some writers pad with zeros here to align data.
            if extra[at:].strip(b"\0"):
                raise Refused("an extra field is longer than its space")
            return None
        if kind == ZIP64_EXTRA:
            return extra[at + 4 : at + 4 + length]
        at += 4 + length
    return None


def find_case_collisions(entries: Iterable[Entry]) -> list[str]:
    """Returns names that differ from an earlier one only in case or Unicode normalization."""
    seen: set[str] = set()
    twins = []
    for entry in entries:
        plain = entry.name if entry.name.isascii() else unicodedata.normalize("NFC", entry.name)
        plain = plain.casefold()
        if plain in seen:
            twins.append(entry.name)
        seen.add(plain)
    return twins


def _locate_directory(descriptor: int, size: int) -> DirectoryLocation:
    """Reads the end of central directory record, or the zip64 record that extends it."""
    if size < END.size:
        raise Refused(f"it has {format_count(size, 'byte')}, too few for a zip archive", FETCH_AGAIN)
    start = max(0, size - END.size - OVERFLOW16)
    tail = read_exactly(descriptor, start, size - start)
    at = tail.rfind(END_SIGNATURE)
    while at >= 0 and not (at + END.size <= len(tail) and END.unpack_from(tail, at)[7] == len(tail) - at - END.size):
        at = tail.rfind(END_SIGNATURE, 0, at)
    if at < 0:
        raise _without_directory(read_exactly(descriptor, 0, min(size, HEAD_BYTES)))
    _, disk, directory_disk, disk_entries, entries, directory_bytes, directory_offset, _ = END.unpack_from(tail, at)
    end = start + at
    long = _find_zip64_record(descriptor, end)
    if long is not None:
        end, (disk64, directory_disk64, here64, entries64, bytes64, offset64) = long
        short = (disk, directory_disk, disk_entries, entries, directory_bytes, directory_offset)
        for value32, value64, longest in zip(short, long[1], (OVERFLOW16,) * 4 + (OVERFLOW32,) * 2, strict=True):
            if value32 not in (longest, value64):
                raise Refused(f"its end records disagree: {value32} and {value64}")
        disk, directory_disk, disk_entries, entries, directory_bytes, directory_offset = (
            disk64,
            directory_disk64,
            here64,
            entries64,
            bytes64,
            offset64,
        )
    if disk or directory_disk or disk_entries != entries:
        raise Refused("it is one part of a split archive")
    if directory_bytes > MAX_DIRECTORY_BYTES:
        raise Refused(
            f"its central directory has {directory_bytes} bytes, more than the limit of {MAX_DIRECTORY_BYTES}"
        )
    if directory_offset + directory_bytes != end:
        expected = directory_offset + directory_bytes
        raise Refused(f"its central directory should end at byte {expected}, but its end record is at {end}")
    if entries * CENTRAL.size > directory_bytes:
        raise Refused(f"its central directory of {directory_bytes} bytes is too small for {entries} entries")
    return DirectoryLocation(directory_offset, directory_bytes, entries)


def _without_directory(head: bytes) -> Refused:
    """Explains a file without a zip archive's central directory by its first bytes."""
    reason = "it has no central directory at the end"
    kind = name_kind(head)
    if kind is None:
        return Refused(f"{reason}: it is truncated, or not a zip archive", f"{FETCH_AGAIN}, or pack the files as a zip")
    if kind.name == "a zip archive":
        return Refused(f"{reason}: the zip archive is truncated, or other data follows it", FETCH_AGAIN)
    remedies = {"archive": UNPACK, "page": FETCH_AGAIN, "pointer": "Run `git lfs pull`, and try again"}
    return Refused(f"{reason}: it is {kind.name}", remedies.get(kind.group, "Give a zip archive or a folder"))


def _find_zip64_record(descriptor: int, end: int) -> tuple[int, tuple[int, ...]] | None:
    """Returns the offset and the numbers of the zip64 end record, or None without one."""
    at = end - LOCATOR64.size
    if at < 0:
        return None
    signature, disk, offset, disks = LOCATOR64.unpack(read_exactly(descriptor, at, LOCATOR64.size))
    if signature != LOCATOR64_SIGNATURE:
        return None
    if disk or disks > 1:
        raise Refused("it is one part of a split archive")
    if offset + END64.size > at:
        raise Refused(f"its zip64 record should be at byte {offset}, beyond {at}")
    signature, length, _, _, *numbers = END64.unpack(read_exactly(descriptor, offset, END64.size))
    if signature != END64_SIGNATURE or offset + 12 + length != at:
        raise Refused(f"there is no zip64 record at byte {offset} that ends at {at}")
    return offset, tuple(numbers)


def _read_entry(content: bytes, at: int, directory_offset: int) -> tuple[Entry, int]:
    """Returns the entry at `at` of the central directory, and the offset of the next one."""
    if at + CENTRAL.size > len(content):
        raise Refused("its central directory ends in the middle of an entry")
    fields = CENTRAL.unpack_from(content, at)
    (
        signature,
        _,
        _,
        flags,
        method,
        _,
        _,
        crc,
        compressed,
        size,
        name_bytes,
        extra_bytes,
        comment_bytes,
        disk,
        _,
        mode,
        offset,
    ) = fields
    if signature != CENTRAL_SIGNATURE:
        raise Refused("its central directory is damaged: an entry has no signature")
    at += CENTRAL.size
    end = at + name_bytes + extra_bytes + comment_bytes
    if end > len(content):
        raise Refused("its central directory ends in the middle of an entry")
    raw_name = content[at : at + name_bytes]
    name = _decode(raw_name, flags)
    if OVERFLOW32 in (compressed, size, offset) or disk == OVERFLOW16:
        extra = content[at + name_bytes : at + name_bytes + extra_bytes]
        size, compressed, offset, disk = _resolve_zip64_fields(name, extra, size, compressed, offset, disk)
    entry = Entry(name, raw_name, offset, directory_offset, compressed, size, crc, method, flags)
    problem = _entry_problem(entry, mode >> 16, disk)
    if problem:
        raise Refused(f"entry {quote(name)} {problem}", _entry_remedy(entry, problem))
    if offset + LOCAL.size + name_bytes + compressed > directory_offset:
        raise Refused(f"entry {quote(name)} points outside the data section of the file (byte {offset})")
    return entry, end


def _decode(raw_name: bytes, flags: int) -> str:
    """Decodes a name as UTF-8, flagged or not, else as code page 437."""
    try:
        return raw_name.decode()
    except UnicodeDecodeError:
        if flags & UTF8_NAME:
            raise Refused(f"the name of entry {raw_name[:100]!r} is flagged as UTF-8 but is not UTF-8") from None
        return raw_name.decode("cp437")


def _resolve_zip64_fields(
    name: str, extra: bytes, size: int, compressed: int, offset: int, disk: int
) -> tuple[int, ...]:
    """Replaces each overflow marker with the next number of the zip64 field, which holds only those, in order."""
    content = find_zip64(extra)
    if content is None:
        raise Refused(f"entry {quote(name)} has no zip64 field for its 64-bit numbers")
    at = 0
    numbers = []
    for value, longest, kind in (
        (size, OVERFLOW32, "<Q"),
        (compressed, OVERFLOW32, "<Q"),
        (offset, OVERFLOW32, "<Q"),
        (disk, OVERFLOW16, "<L"),
    ):
        if value == longest:
            if at + struct.calcsize(kind) > len(content):
                raise Refused(f"the zip64 field of entry {quote(name)} is too short")
            (value,) = struct.unpack_from(kind, content, at)
            at += struct.calcsize(kind)
        numbers.append(value)
    return tuple(numbers)


def _entry_remedy(entry: Entry, problem: str) -> str:
    if entry.flags & ENCRYPTED:
        return "Pack the files again without a password, or give their folder instead"
    if "unsupported method" in problem:
        return "Pack the files again with the method Deflate or without compression, or give their folder instead"
    return PACK_AGAIN


def _entry_problem(entry: Entry, mode: int, disk: int) -> str | None:
    if SAFE_NAME.fullmatch(entry.name) is None and (problem := name_problem(entry.name)):
        return problem
    folder = entry.name.endswith("/")
    kind = stat.S_IFMT(mode)
    if kind not in (0, stat.S_IFDIR if folder else stat.S_IFREG):
        return "is a symbolic link" if kind == stat.S_IFLNK else "is neither a regular file nor a folder"
    if entry.flags & ENCRYPTED:
        return "is encrypted"
    if entry.method not in (STORED, DEFLATED):
        method = METHODS.get(entry.method)
        return f"is compressed with an unsupported method ({entry.method}){f': {method}' if method else ''}"
    if entry.method == STORED and entry.compressed != entry.size:
        return f"is stored uncompressed with {entry.compressed} bytes instead of {entry.size}"
    if folder and entry.size:
        return "is a folder with content"
    return "is in another part of a split archive" if disk else None


def name_problem(name: str) -> str | None:
    """Returns why a path from an untrusted archive or folder is refused, or None."""
    if CONTROL_CHARACTER.search(name):
        return "has a NUL in its name" if "\0" in name else "has a control character in its name"
    if "\\" in name:
        return "has a backslash in its name"
    if name.startswith("/"):
        return "has an absolute path"
    if re.match(r"[A-Za-z]:", name):
        return "has a drive letter in its path"
    parts = name.removesuffix("/").split("/")
    if ".." in parts:
        return 'has ".." in its path'
    if any(part in ("", ".") for part in parts):
        return 'has an empty or "." part in its path'
    if len(name.encode()) > MAX_NAME_BYTES or any(len(part.encode()) > MAX_PART_BYTES for part in parts):
        return "has a name that is too long"
    return None


def _refuse_duplicates(names: Iterable[str]) -> None:
    seen: set[str] = set()
    folders: set[str] = set()
    for name in names:
        if name in seen:
            raise Refused(f"entry {quote(name)} occurs twice")
        seen.add(name)
        folder = name.rpartition("/")[0]
        while folder and folder not in folders:
            folders.add(folder)
            folder = folder.rpartition("/")[0]
    both = seen & folders
    if both:
        raise Refused(f"entry {quote(min(both))} is a file and a folder at once")


def _refuse_bomb(files: list[Entry], archive_bytes: int) -> None:
    total = sum(entry.size for entry in files)
    if total > archive_bytes * MAX_INFLATION:
        raise Refused(f"it would expand from {archive_bytes} to {total} bytes, more than {MAX_INFLATION} times")


def _with_limits(files: list[Entry], everything: list[tuple[int, int]], directory_offset: int) -> list[Entry]:
    """Returns files sorted by offset. Each may extend to where the next entry begins, folders included."""
    everything.sort()
    limits: dict[int, int] = {}
    for (begin, end), (limit, _) in zip(everything, [*everything[1:], (directory_offset, 0)], strict=True):
        if end > limit:
            raise Refused(f"two entries overlap at byte {limit}")
        limits[begin] = limit
    files.sort(key=lambda one: one.offset)
    return [Entry(*one[:3], limits[one.offset], *one[4:]) for one in files]
