"""Computes the SHA-256 of files, and of streams while they are written."""

import hashlib
from pathlib import Path
from typing import Any, BinaryIO

# Large, because a thread next to a busy one waits 5 ms for the interpreter after each block.
BLOCK_BYTES = 16 << 20


def hash_file(path: Path) -> str:
    """Returns the SHA-256 of a file in hex. Raises OSError."""
    digest, buffer = hashlib.sha256(), memoryview(bytearray(BLOCK_BYTES))
    with open(path, "rb", buffering=0) as stream:
        while count := stream.readinto(buffer):
            digest.update(buffer[:count])
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
