"""Packs a folder of images into an archive, so that user data takes the path of published archives.

`python -m everswin_trainer pack-folder --folder DIR --archive FILE --out ANSWER`. The same files give the same bytes:
names are sorted, all entries have one date, and nothing is compressed.
"""

import argparse
import os
import stat
import sys
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, cast

from everswin_trainer.data.findings import Findings
from everswin_trainer.data.stage_progress import StageProgress
from everswin_trainer.data.zip_directory import name_problem, quote
from everswin_trainer.system.atomic_file import write_atomic, write_json
from everswin_trainer.system.hashing import HashingStream

# The oldest date that a zip can hold.
OLDEST_DATE = (1980, 1, 1, 0, 0, 0)
REGULAR_FILE = (stat.S_IFREG | 0o644) << 16


def main(argv: Sequence[str]) -> int:
    """Writes the answer. Returns 0 whether the folder is accepted or refused, 1 after an OSError."""
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
    """Returns the answer without its duration. Raises OSError, also when a file changes while it is packed."""
    problems = Findings(folder.name)
    files = sorted(_find_files(folder, problems))
    if not files and not problems.lines():
        problems.add_once("the folder holds no files")
    if problems.lines():
        return {"v": 1, "ok": False, "problems": problems.lines()}
    progress = StageProgress("packing", sum(path.stat().st_size for _, path in files))
    with write_atomic(archive) as stream:
        writer = HashingStream(stream)
        # zipfile asks of a stream that cannot seek no more than write and flush.
        with zipfile.ZipFile(cast(IO[bytes], writer), "w", zipfile.ZIP_STORED) as packed:
            for name, path in files:
                content = _read_unchanged(path)
                packed.writestr(_entry(name), content)
                progress.more(len(content))
    return {
        "v": 1,
        "ok": True,
        "problems": [],
        "sha256": writer.sha256(),
        "bytes": writer.bytes,
        "files": len(files),
    }


def _find_files(folder: Path, problems: Findings) -> list[tuple[str, Path]]:
    """Returns (name in the archive, path) of every file. Skips dot files, which systems and editors make."""
    files = []
    for parent, folders, names in os.walk(folder, onerror=_raise):
        folders[:] = [one for one in folders if not one.startswith(".")]
        for name in [*folders, *names]:
            path = Path(parent) / name
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
                problems.add("is neither a regular file nor a folder", "file", quote(inside))
            elif (problem := _name_problem(inside)) is not None:
                problems.add(problem, "file", quote(inside))
            else:
                files.append((inside, path))
    return files


def _entry(name: str) -> zipfile.ZipInfo:
    """Header of an entry: only its name and content decide its bytes."""
    entry = zipfile.ZipInfo(name, OLDEST_DATE)
    entry.external_attr = REGULAR_FILE
    return entry


def _name_problem(name: str) -> str | None:
    try:
        name.encode()
    except UnicodeEncodeError:
        return "has a name that is not UTF-8"
    return name_problem(name)


def _raise(error: OSError) -> None:
    raise error


def _read_unchanged(path: Path) -> bytes:
    """Reads a file. Raises OSError if the path has become a link or the file changes during the read."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    with open(descriptor, "rb") as stream:
        before = os.fstat(descriptor)
        content = stream.read()
        after = os.fstat(descriptor)
    if (before.st_size, before.st_mtime_ns) != (len(content), after.st_mtime_ns):
        raise OSError(f"{path} changed while it was packed")
    return content
