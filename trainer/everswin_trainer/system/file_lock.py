"""Kernel locks on open files."""

import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

# `struct flock` of fcntl(2): type, whence, start, length, pid.
_RECORD_LOCK = "hhqqi"


def try_flock(descriptor: int, operation: int = fcntl.LOCK_EX) -> bool:
    """Acquires a flock without waiting. Returns whether it did. `operation` is LOCK_EX or LOCK_SH."""
    try:
        fcntl.flock(descriptor, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def has_record_lock(descriptor: int) -> bool:
    """Returns whether another process holds a POSIX record lock on the file. Acquires nothing."""
    request = struct.pack(_RECORD_LOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    kind = struct.unpack(_RECORD_LOCK, fcntl.fcntl(descriptor, fcntl.F_GETLK, request))[0]
    return bool(kind != fcntl.F_UNLCK)


def open_shared(path: Path, flags: int = 0) -> int:
    """Opens or creates a lock file for every user who may write to its folder, whatever the umask.

    A symbolic link is refused, because another user may have made it.
    """
    flags |= os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        # Without O_CREAT, which fs.protected_regular forbids for the files of others in a folder with the sticky bit.
        return os.open(path, flags)
    except FileNotFoundError:
        return _create_shared(path, flags)


def make_shared_folder(path: Path) -> None:
    """Creates a folder in a shared one, with the same access."""
    parent = path.parent.stat()
    with _without_umask(), suppress(FileExistsError):
        path.mkdir(parent.st_mode & 0o1777)
        _share_with_group(path, parent.st_gid)


def _create_shared(path: Path, flags: int) -> int:
    parent = path.parent.stat()
    with _without_umask():
        descriptor = os.open(path, flags | os.O_CREAT, parent.st_mode & 0o666)
    _share_with_group(descriptor, parent.st_gid)
    return descriptor


@contextmanager
def _without_umask() -> Iterator[None]:
    """A process that is killed before it can change the mode must not leave a file that only its owner can open."""
    umask = os.umask(0)
    try:
        yield
    finally:
        os.umask(umask)


def _share_with_group(target: int | Path, group: int) -> None:
    """Does what setgid of the parent folder does. Only a member of the group may."""
    if os.stat(target).st_gid != group:
        with suppress(PermissionError):
            os.chown(target, -1, group)
