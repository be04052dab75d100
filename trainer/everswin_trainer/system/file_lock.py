"""Kernel locks on open files."""

import fcntl


def try_flock(descriptor: int, operation: int = fcntl.LOCK_EX) -> bool:
    """Acquires a flock without waiting. Returns whether it did. `operation` is LOCK_EX or LOCK_SH."""
    try:
        fcntl.flock(descriptor, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
