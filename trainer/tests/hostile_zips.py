"""Writes hostile archives: a zip writer that can store false values, and a corpus of such archives."""

import struct
import zlib
from dataclasses import dataclass, field
from typing import Any

from everswin_trainer.data.zip_directory import (
    CENTRAL,
    CENTRAL_SIGNATURE,
    DEFLATED,
    END,
    END64,
    END64_SIGNATURE,
    END_SIGNATURE,
    LOCAL,
    LOCAL_SIGNATURE,
    LOCATOR64,
    LOCATOR64_SIGNATURE,
    OVERFLOW16,
    OVERFLOW32,
    STORED,
)

LOCAL_FIELDS = ("sign", "version", "flags", "method", "time", "date", "crc", "packed", "size", "names", "extras")
CENTRAL_FIELDS = (
    *("sign", "made_by", "version", "flags", "method", "time", "date", "crc", "packed", "size"),
    *("names", "extras", "comments", "disk", "internal", "mode", "offset"),
)
END_FIELDS = ("sign", "disk", "list_disk", "here", "entries", "list_bytes", "list_offset", "comments")


@dataclass
class Member:
    """An entry to write. `local` and `listed` replace fields of its headers; `data` replaces the compressed bytes."""

    name: bytes
    content: bytes
    method: int = STORED
    local: dict[str, Any] = field(default_factory=dict)
    listed: dict[str, Any] = field(default_factory=dict)
    local_name: bytes | None = None
    local_extra: bytes = b""
    extra: bytes = b""
    data: bytes | None = None
    after: bytes = b""


def deflate(content: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(content) + packer.flush()


def build(
    members: list[Member], end: dict[str, int] | None = None, before_end: bytes = b"", begin: bytes = b""
) -> bytes:
    """Returns an archive. `end` replaces fields of its end record; `before_end` precedes that record, `begin` all."""
    out, listing = bytearray(begin), bytearray()
    for one in members:
        data = one.data if one.data is not None else deflate(one.content) if one.method == DEFLATED else one.content
        local_name = one.name if one.local_name is None else one.local_name
        fields = {"flags": 0, "method": one.method, "time": 0, "date": 0x21, "crc": zlib.crc32(one.content)}
        fields |= {"packed": len(data), "size": len(one.content), "version": 20}
        offset = len(out)
        local = {
            "sign": LOCAL_SIGNATURE,
            **fields,
            "names": len(local_name),
            "extras": len(one.local_extra),
            **one.local,
        }
        out += LOCAL.pack(*(local[name] for name in LOCAL_FIELDS)) + local_name + one.local_extra + data + one.after
        listed = {
            "sign": CENTRAL_SIGNATURE,
            "made_by": 3 << 8,
            **fields,
            "names": len(one.name),
            "extras": len(one.extra),
        }
        listed |= {"comments": 0, "disk": 0, "internal": 0, "mode": 0o100644 << 16, "offset": offset, **one.listed}
        listing += CENTRAL.pack(*(listed[name] for name in CENTRAL_FIELDS)) + one.name + one.extra
    place = {"sign": END_SIGNATURE, "disk": 0, "list_disk": 0, "here": len(members), "entries": len(members)}
    place |= {"list_bytes": len(listing), "list_offset": len(out), "comments": 0, **(end or {})}
    return bytes(out + listing + before_end) + END.pack(*(place[name] for name in END_FIELDS))


def extra64(*numbers: int) -> bytes:
    return struct.pack(f"<2H{len(numbers)}Q", 1, 8 * len(numbers), *numbers)


def end64(archive: bytes, locator: dict[str, int] | None = None, record: dict[str, int] | None = None) -> bytes:
    """Returns the archive with zip64 end records, and with overflow markers in its end record."""
    end = dict(zip(END_FIELDS, END.unpack(archive[-END.size :]), strict=True))
    at = len(archive) - END.size
    numbers = {"length": END64.size - 12, "disk": 0, "list_disk": 0, "here": end["here"], "entries": end["entries"]}
    numbers |= {"list_bytes": end["list_bytes"], "list_offset": end["list_offset"], **(record or {})}
    fields = [numbers[name] for name in ("disk", "list_disk", "here", "entries", "list_bytes", "list_offset")]
    long = END64.pack(END64_SIGNATURE, numbers["length"], 45, 45, *fields)
    place = {"disk": 0, "offset": at, "disks": 1, **(locator or {})}
    long += LOCATOR64.pack(LOCATOR64_SIGNATURE, place["disk"], place["offset"], place["disks"])
    return archive[:at] + long + END.pack(END_SIGNATURE, 0, 0, OVERFLOW16, OVERFLOW16, OVERFLOW32, OVERFLOW32, 0)


def corpus(images: dict[str, bytes], outside: str) -> dict[str, tuple[bytes, str]]:
    """Returns title -> (archive, part of the reason). `images` fills a valid archive; `outside` is a path to attack."""
    honest = [Member(name.encode(), content) for name, content in images.items()]
    text = b"x" * 2000

    def plus(*members: Member, **place: Any) -> bytes:
        return build([*honest, *members], **place)

    def named(name: bytes, end: dict[str, int] | None = None, **changes: Any) -> bytes:
        return plus(Member(name, text, **changes), end=end)

    def listed(**fields: Any) -> bytes:
        return plus(Member(b"train/x.txt", text, listed=fields))

    def local(**fields: Any) -> bytes:
        return plus(Member(b"train/x.txt", text, local=fields))

    whole = build(honest)
    count = len(honest)
    other = honest[0]
    packed = Member(b"train/x.txt", text, method=DEFLATED)
    bomb = bytes(8_000_000)
    cases = {
        "a path that leaves the folder": (named(b"../evil.txt"), '".." in its path'),
        "a path that leaves the folder by many levels": (named(b"../../../../../../tmp/evil.txt"), '".." in its path'),
        "a path that leaves the folder after a subfolder": (named(b"train/../../evil.txt"), '".." in its path'),
        "a path that ends in the parent folder": (named(b"train/.."), '".." in its path'),
        "the parent folder": (named(b"../", listed={"mode": 0}), '".." in its path'),
        "an absolute path": (named(f"{outside}/evil.txt".encode()), "absolute path"),
        "two leading slashes": (named(b"//server/evil.txt"), "absolute path"),
        "a drive letter": (named(b"C:/evil.txt"), "drive letter"),
        "a drive letter without a slash": (named(b"c:evil.txt"), "drive letter"),
        "a backslash path that leaves the folder": (named(b"..\\evil.txt"), "backslash"),
        "a backslash": (named(b"train\\evil.txt"), "backslash"),
        "a NUL": (named(b"train/1.jpg\0.txt"), "NUL"),
        "a line feed": (named(b"train/1\n.jpg"), "control character"),
        "an escape sequence": (named(b"train/\x1b[2Jevil.jpg"), "control character"),
        "a C1 control": (named("train/\x9b2J.jpg".encode(), local={"flags": 0x800}), "control character"),
        "a DEL": (named(b"train/\x7f.jpg"), "control character"),
        "an empty part": (named(b"train//x.txt"), 'empty or "." part'),
        "a dot part": (named(b"train/./x.txt"), 'empty or "." part'),
        "a single dot": (named(b"."), 'empty or "." part'),
        "no name": (named(b""), 'empty or "." part'),
        "a name of 300 bytes": (named(b"train/" + b"n" * 300), "name that is too long"),
        "a path of 2000 bytes": (named(b"d/" * 1000 + b"x"), "name that is too long"),
        "broken UTF-8": (named(b"train/\xff\xfe.jpg", listed={"flags": 0x800}), "is not UTF-8"),
        "a symbolic link": (listed(mode=0o120777 << 16), "symbolic link"),
        "a symbolic link named like a folder": (named(b"train/l/", listed={"mode": 0o120777 << 16}), "symbolic link"),
        "a device": (listed(mode=0o020666 << 16), "neither a regular file nor a folder"),
        "a named pipe": (listed(mode=0o010666 << 16), "neither a regular file nor a folder"),
        "a socket": (listed(mode=0o140666 << 16), "neither a regular file nor a folder"),
        "a folder named like a file": (listed(mode=0o040755 << 16), "neither a regular file nor a folder"),
        "a file named like a folder": (named(b"train/f/", listed={"mode": 0o100644 << 16}), "neither a regular"),
        "a folder with content": (named(b"train/f/", listed={"mode": 0o040755 << 16}), "folder with content"),
        "a duplicate name": (plus(Member(other.name, text)), "occurs twice"),
        "a duplicate entry": (plus(other), "occurs twice"),
        "a file with the name of a folder": (named(b"train"), "a file and a folder at once"),
        "a file below a file": (named(other.name + b"/x"), "a file and a folder at once"),
        "an encrypted entry": (listed(flags=0x1), "is encrypted"),
        "an entry with strong encryption": (listed(flags=0x41), "is encrypted"),
        "an entry with a masked header": (listed(flags=0x2001), "is encrypted"),
        "an encryption flag only in the local header": (local(flags=0x1), "different method"),
        "bzip2": (listed(method=12), "unsupported method (12)"),
        "deflate64": (listed(method=9), "unsupported method (9)"),
        "a different method in the local header": (local(method=DEFLATED), "different method"),
        "a different name in the local header": (named(b"train/x.txt", local_name=b"train/y.txt"), "different name"),
        "a longer name in the local header": (named(b"train/x.txt", local_name=b"train/x.txt.sh"), "different name"),
        "a different CRC in the local header": (local(crc=1), "in its local header and"),
        "a different size in the local header": (local(size=1999), "in its local header and"),
        "a different compressed size in the local header": (local(packed=1999), "in its local header and"),
        "a wrong CRC in both headers": (
            plus(Member(b"t.txt", text, local={"crc": 7}, listed={"crc": 7})),
            "wrong CRC-32",
        ),
        "a damaged image": (
            plus(Member(b"train/x.jpg", images["train/1.jpg"], data=_flip(images["train/1.jpg"]))),
            "wrong CRC-32",
        ),
        "a stored entry with a different size": (listed(size=1999), "stored uncompressed"),
        "a zip bomb": (plus(Member(b"b", bomb, method=DEFLATED)), "more than 64 times"),
        "a zip bomb that declares a small size": (
            plus(Member(b"b", bomb, method=DEFLATED, local={"size": 9}, listed={"size": 9})),
            "more than the 9 bytes",
        ),
        "many entries with the same data": (
            build([other, *(Member(b"o%d" % n, b"", listed=_same(other)) for n in range(50))]),
            "entries overlap",
        ),
        "an entry inside another": (
            plus(Member(b"i", b"", listed={"offset": 40, "packed": 10, "size": 10})),
            "entries overlap",
        ),
        "an entry that overlaps the next": (
            build([Member(other.name, other.content, listed={"packed": 30_000, "size": 30_000}), *honest[1:]]),
            "entries overlap",
        ),
        "an extra field that overlaps the next entry": (
            build([Member(other.name, other.content, local={"extras": 5000}), *honest[1:]]),
            "where the next entry begins",
        ),
        "an entry beyond the end of the archive": (listed(offset=OVERFLOW32 - 16), "points outside"),
        "an entry inside the central directory": (listed(offset=len(whole)), "points outside"),
        "an offset without a local header": (
            build([Member(b"gap", text, after=bytes(50), listed={"offset": 20})]),
            "no local header at byte 20",
        ),
        "sizes beyond the end of the archive": (listed(packed=1 << 30, size=1 << 30), "points outside"),
        "deflate that ends early": (_packed(packed, deflate(text)[:-4]), "ends in the middle"),
        "deflate with trailing data": (_packed(packed, deflate(text) + b"evil"), "data after its end"),
        "deflate of random bytes": (_packed(packed, b"\xff" * 40), "cannot be decompressed"),
        "deflate shorter than declared": (_packed(packed, deflate(text[:-1])), "the central directory declares 2000"),
        "deflate longer than declared": (_packed(packed, deflate(text + b"y")), "more than the 2000 bytes"),
        "fewer entries than declared": (
            named(b"train/" + b"n" * 200, end={"here": count + 2, "entries": count + 2}),
            "ends in the middle",
        ),
        "more entries than declared": (plus(end={"here": count - 1, "entries": count - 1}), "and holds more"),
        "zero entries declared": (plus(end={"here": 0, "entries": 0}), "and holds more"),
        "65534 entries declared": (plus(end={"here": 65534, "entries": 65534}), "too small for 65534"),
        "a wrong offset of the central directory": (plus(end={"list_offset": 0}), "its central directory should end"),
        "a wrong size of the central directory": (plus(end={"list_bytes": 10}), "its central directory should end"),
        "a damaged central directory": (
            _overwrite(whole, whole.index(CENTRAL_SIGNATURE), b"rubbish"),
            "its central directory",
        ),
        "data before the archive": (b"#!/bin/sh\n" + whole, "its central directory should end"),
        "data after the archive": (whole + b"after", "no central directory"),
        "one part of a split archive": (plus(end={"disk": 1}), "split archive"),
        "the last part of a split archive": (plus(end={"here": count - 1}), "split archive"),
        "an entry in another part of a split archive": (listed(disk=2), "another part"),
        "a zip64 record beyond the end of the archive": (
            end64(whole, locator={"offset": 2**64 - 1}),
            "zip64 record should be",
        ),
        "a wrong offset of the zip64 record": (end64(whole, locator={"offset": 0}), "no zip64 record"),
        "a zip64 record that is too long": (end64(whole, record={"length": 2**63}), "no zip64 record"),
        "zip64 with 2^40 entries": (end64(whole, record={"here": 2**40, "entries": 2**40}), "too small for"),
        "zip64 with a directory of 2^62 bytes": (end64(whole, record={"list_bytes": 2**62}), "more than the limit"),
        "zip64 with a misplaced directory": (
            end64(whole, record={"list_offset": 2**63}),
            "its central directory should end",
        ),
        "zip64 of a split archive": (end64(whole, locator={"disks": 3}), "split archive"),
        "two end records that disagree": (_two_ends(whole), "records disagree"),
        "overflow markers without a zip64 field": (listed(size=OVERFLOW32, packed=OVERFLOW32), "no zip64 field"),
        "a short zip64 field": (
            plus(Member(b"z", text, listed={"size": OVERFLOW32, "packed": OVERFLOW32}, extra=extra64(2000))),
            "is too short",
        ),
        "a zip64 field that points beyond the archive": (
            plus(Member(b"z", text, listed={"offset": OVERFLOW32}, extra=extra64(2**63))),
            "points outside",
        ),
        "a zip64 field with 2^63 bytes": (
            plus(Member(b"z", text, listed={"size": OVERFLOW32, "packed": OVERFLOW32}, extra=extra64(2**63, 2**63))),
            "points outside",
        ),
        "an extra field longer than its space": (
            plus(Member(b"z", text, listed={"size": OVERFLOW32}, extra=b"\x01\x00\xff\xff1234")),
            "longer than its space",
        ),
        "overflow markers in the local header without a zip64 field": (
            local(size=OVERFLOW32),
            "no zip64 field in its local header",
        ),
        "a single byte": (b"\0", "too few"),
        "a login page": (b"<html>Please log in</html>", "no central directory"),
        "an end record without entries": (END.pack(END_SIGNATURE, 0, 0, 0, 0, 0, 0, 0), "holds no files"),
        "only zeros": (bytes(5000), "no central directory"),
    }
    for cut in range(4096, len(whole), 4096):
        cases[f"truncated at byte {cut}"] = (whole[:cut], "truncated")
    for cut in (1, 21, 22, 30):
        cases[f"truncated {cut} bytes before its end"] = (whole[:-cut], "truncated")
    return cases


def _flip(content: bytes) -> bytes:
    at = len(content) // 2
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


def _packed(member: Member, data: bytes) -> bytes:
    return build([Member(member.name, member.content, DEFLATED, data=data)])


def _same(other: Member) -> dict[str, int]:
    size = len(other.content)
    return {"offset": 0, "packed": size, "size": size, "crc": zlib.crc32(other.content)}


def _overwrite(archive: bytes, at: int, what: bytes) -> bytes:
    return archive[:at] + what + archive[at + len(what) :]


def _two_ends(archive: bytes) -> bytes:
    long = end64(archive)
    return long[: -END.size] + END.pack(END_SIGNATURE, 0, 0, 1, 1, OVERFLOW32, OVERFLOW32, 0)
