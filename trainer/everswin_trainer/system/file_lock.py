"""Kernel locks on open files."""

import fcntl
import os
from contextlib import suppress
from pathlib import Path


def try_flock(descriptor: int, operation: int = fcntl.LOCK_EX) -> bool:
    """Acquires a flock without waiting. Returns whether it did. `operation` is LOCK_EX or LOCK_SH."""
    try:
        fcntl.flock(descriptor, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def open_shared(path: Path, flags: int = 0) -> int:
    """Opens or creates a lock file for every user who may write to its folder, whatever the umask."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | flags, 0o666)
    # Only its owner may change the mode; the owner did so when it created the file.
    with suppress(PermissionError):
        os.fchmod(descriptor, path.parent.stat().st_mode & 0o666)
    return descriptor
