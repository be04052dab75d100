"""Atomic writes: a file appears under its name complete or not at all, even after a crash or a power cut."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

TEMPORARY_SUFFIX = ".part"


@contextmanager
def write_atomic(path: Path) -> Iterator[BinaryIO]:
    """Opens a stream whose bytes replace `path` atomically if the block ends without an error.

    It writes a temporary file in the same folder, then calls fsync, rename and fsync of the folder: a crash leaves
    the old file or the new one. Raises OSError (disk full, …) with the path, and then removes the temporary file.
    """
    temporary = path.with_name(f".{path.name}{TEMPORARY_SUFFIX}")
    try:
        with open(temporary, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.rename(temporary, path)
    except BaseException as error:
        if isinstance(error, OSError) and error.filename is None:
            # Python leaves the path out for a file that is open.
            error.filename = str(path)
        temporary.unlink(missing_ok=True)
        raise
    fsync_folder(path.parent)


def write_json(path: Path, value: Any, indent: int | None = 2) -> None:
    """Writes `value` atomically as one JSON document. Raises ValueError for NaN and Infinity.

    `indent` None keeps large files small that only programs read.
    """
    data = encode_json(value, indent)
    with write_atomic(path) as stream:
        stream.write(data)


def encode_json(value: Any, indent: int | None = None) -> bytes:
    """Returns `value` as one JSON document that ends with a newline. Raises ValueError for NaN and Infinity."""
    separators = (",", ":") if indent is None else None
    text = json.dumps(value, indent=indent, separators=separators, allow_nan=False, ensure_ascii=False)
    # Half of a surrogate pair, which a file name can contain, becomes its JSON escape.
    return text.encode(errors="backslashreplace") + b"\n"


def read_json(path: Path) -> dict[str, Any] | None:
    """Returns the JSON object in `path`; None if the file is missing or holds no object.

    Raises OSError if it cannot be read now: a full file table says nothing about the file.
    """
    try:
        return parse_object(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None


def parse_object(data: bytes) -> dict[str, Any] | None:
    """Returns the JSON object in `data`; None if it holds anything else."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def fsync_folder(folder: Path) -> None:
    """Makes renames and deletions in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
