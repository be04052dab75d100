"""Packs a folder of images into an archive, so that own data goes the way of all others.

`python -m everswin_trainer pack-folder --folder DIR --archive FILE --out ANSWER`. The same files give the same bytes:
sorted names, one fixed time, nothing compressed.
"""

import argparse
import hashlib
import os
import stat
import sys
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from everswin_trainer.data.findings import Findings
from everswin_trainer.data.stage_progress import StageProgress
from everswin_trainer.data.zip_list import (
    CENTRAL,
    CENTRAL_SIGN,
    END,
    END64,
    END64_SIGN,
    END_SIGN,
    LOCAL,
    LOCAL_SIGN,
    LOCATOR64,
    LOCATOR64_SIGN,
    LONG16,
    LONG32,
    UTF8_NAME,
    ZIP64_EXTRA,
    name_problem,
    quote,
)
from everswin_trainer.system.atomic_file import write_atomic, write_json

# 1980-01-01 00:00, the oldest there is.
DATE, TIME = 0x21, 0
# Version 2.0; 4.5 where zip64 is needed; made on Unix.
VERSION, VERSION64, UNIX = 20, 45, 3 << 8
PLAIN_FILE = (stat.S_IFREG | 0o644) << 16


def main(argv: Sequence[str]) -> int:
    """Writes the answer and leaves with 0 whatever the verdict is; 1 with one line where the machine fails."""
    parser = argparse.ArgumentParser(prog="everswin_trainer pack-folder")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--archive", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args(argv)
    begin = time.monotonic()
    try:
        answer = pack(arguments.folder.resolve(), arguments.archive)
        write_json(arguments.out, {**answer, "seconds": time.monotonic() - begin})
    except OSError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


def pack(folder: Path, archive: Path) -> dict[str, Any]:
    """The answer without its time. Raises OSError, also when a file changes while it is packed."""
    problems = Findings(folder.name)
    files = sorted(_find_files(folder, problems))
    if not files and not problems.lines():
        problems.say("there are no files")
    if problems.lines():
        return {"v": 1, "ok": False, "problems": problems.lines()}
    with write_atomic(archive) as stream:
        writer = StoredZip(stream)
        progress = StageProgress("packing", sum(path.stat().st_size for _, path in files))
        for name, path in files:
            content = _read_whole(path)
            writer.add(name, content)
            progress.more(len(content))
        writer.end()
    return {
        "v": 1,
        "ok": True,
        "problems": [],
        "sha256": writer.sha256.hexdigest(),
        "bytes": writer.offset,
        "files": len(files),
    }


def _find_files(folder: Path, problems: Findings) -> list[tuple[str, Path]]:
    """(name in the archive, path) of every file; what begins with a dot is a system's or an editor's, and left out."""
    found = []
    for place, folders, names in os.walk(folder, onerror=_raise):
        folders[:] = [one for one in folders if not one.startswith(".")]
        for name in [*folders, *names]:
            path = Path(place) / name
            inside = path.relative_to(folder).as_posix()
            if name.startswith("."):
                continue
            if path.is_symlink():
                target = path.resolve()
                if not target.is_relative_to(folder):
                    problems.add("is a link that leaves the folder", "file", quote(inside))
                    continue
                if target.is_dir():
                    problems.add("is a link to a folder", "file", quote(inside))
                    continue
                path = target
            elif path.is_dir():
                continue
            if not path.is_file():
                problems.add("is neither a plain file nor a folder", "file", quote(inside))
            elif (problem := _name_problem(inside)) is not None:
                problems.add(problem, "file", quote(inside))
            else:
                found.append((inside, path))
    return found


def _name_problem(name: str) -> str | None:
    try:
        name.encode()
    except UnicodeEncodeError:
        return "has a name that is not UTF-8"
    return name_problem(name)


def _raise(error: OSError) -> None:
    raise error


def _read_whole(path: Path) -> bytes:
    """Raises OSError if the path has become a link, or the file changes meanwhile."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    with open(descriptor, "rb") as stream:
        before = os.fstat(descriptor)
        content = stream.read()
        after = os.fstat(descriptor)
    if (before.st_size, before.st_mtime_ns) != (len(content), after.st_mtime_ns):
        raise OSError(f"{path} changed while it was packed")
    return content


@dataclass
class StoredZip:
    """Writes an archive: stored entries, then the list. The long forms of zip64 come only where they are needed."""

    stream: BinaryIO
    offset: int = 0
    sha256: Any = field(default_factory=hashlib.sha256)
    _list: list[bytes] = field(default_factory=list)

    def add(self, name: str, content: bytes) -> None:
        if len(content) >= LONG32:
            raise OSError(f"{name} has {len(content)} bytes: no image has")
        raw_name, size, crc = name.encode(), len(content), zlib.crc32(content)
        flags = 0 if name.isascii() else UTF8_NAME
        offset, extra, version = self.offset, b"", VERSION
        if offset >= LONG32:
            extra = ZIP64_EXTRA.to_bytes(2, "little") + (8).to_bytes(2, "little") + offset.to_bytes(8, "little")
            offset, version = LONG32, VERSION64
        self._write(LOCAL.pack(LOCAL_SIGN, VERSION, flags, 0, TIME, DATE, crc, size, size, len(raw_name), 0))
        self._write(raw_name)
        self._write(content)
        self._list.append(
            CENTRAL.pack(
                *(CENTRAL_SIGN, UNIX | version, version, flags, 0, TIME, DATE, crc, size, size),
                *(len(raw_name), len(extra), 0, 0, 0, PLAIN_FILE, offset),
            )
            + raw_name
            + extra
        )

    def end(self) -> None:
        begin, count = self.offset, len(self._list)
        content = b"".join(self._list)
        self._write(content)
        if begin >= LONG32 or count >= LONG16 or len(content) >= LONG32:
            numbers = (0, 0, count, count, len(content), begin)
            at = self.offset
            self._write(END64.pack(END64_SIGN, END64.size - 12, UNIX | VERSION64, VERSION64, *numbers))
            self._write(LOCATOR64.pack(LOCATOR64_SIGN, 0, at, 1))
        short = (min(count, LONG16), min(count, LONG16), min(len(content), LONG32), min(begin, LONG32))
        self._write(END.pack(END_SIGN, 0, 0, *short, 0))

    def _write(self, content: bytes) -> None:
        self.stream.write(content)
        self.sha256.update(content)
        self.offset += len(content)
