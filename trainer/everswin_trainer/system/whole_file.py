"""Files that exist whole or not at all, whatever dies while they are written."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

TEMPORARY_SUFFIX = ".part"


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Opens a stream whose bytes appear under `path` only if the block ends without an error.

    Temporary name in the same folder, fsync, rename, fsync of the folder: after a crash the old file or the new one
    is there, never a mixture. Raises OSError (disk full, …) and then leaves no temporary file behind.
    """
    temporary = path.with_name(f".{path.name}{TEMPORARY_SUFFIX}")
    try:
        with open(temporary, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.rename(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    fsync_folder(path.parent)


def write_json(path: Path, value: Any, indent: int | None = 2) -> None:
    """Writes `value` as one JSON document, whole or not at all. Raises ValueError for NaN and Infinity.

    `indent` None is for what nobody reads by eye and would grow large.
    """
    separators = (",", ":") if indent is None else None
    text = json.dumps(value, indent=indent, separators=separators, allow_nan=False, ensure_ascii=False) + "\n"
    with whole_file(path) as stream:
        stream.write(text.encode())


def read_json(path: Path) -> dict[str, Any] | None:
    """The JSON object in `path`, or None when there is no such file or no object in it."""
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def fsync_folder(folder: Path) -> None:
    """Makes renames and deletions in `folder` last through a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
