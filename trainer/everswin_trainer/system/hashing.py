"""Computes the SHA-256 of files, and of streams while they are written."""

import hashlib
from pathlib import Path
from typing import Any, BinaryIO

BLOCK_BYTES = 1 << 20


def hash_file(path: Path) -> str:
    """Returns the SHA-256 of a file in hex. Raises OSError."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while block := stream.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


class HashingStream:
    """Hashes what it writes to `stream`, so that the file need not be read again."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._hash = hashlib.sha256()
        self.bytes = 0

    def write(self, data: Any) -> int:
        self._hash.update(data)
        self.bytes += memoryview(data).nbytes
        return self._stream.write(data)

    def flush(self) -> None:
        self._stream.flush()

    def sha256(self) -> str:
        return self._hash.hexdigest()
