"""Asks for room before it is needed: a disk that fills up half way through a file is noticed late and helps nobody."""

import errno
import os
from pathlib import Path

# For manifests, for lines of progress, and for what others write meanwhile.
MARGIN_BYTES = 1 << 20
MARGIN_SHARE = 0.01


def require_checkpoint_space(folder: Path, need_bytes: int) -> None:
    """Raises OSError (ENOSPC) saying how much is missing if a checkpoint would not fit into `folder`."""
    require_space("a checkpoint", folder, need_bytes, "; older checkpoints are untouched")


def require_space(what: str, folder: Path, need_bytes: int, comfort: str = "") -> None:
    """The same for anything."""
    disk = os.statvfs(folder)
    free = disk.f_bavail * disk.f_frsize
    if free < need_bytes + max(MARGIN_BYTES, int(need_bytes * MARGIN_SHARE)):
        raise OSError(
            errno.ENOSPC,
            f"{os.strerror(errno.ENOSPC)}: {what} needs {need_bytes} bytes and a margin, {free} are free in "
            f"{folder}{comfort}",
        )
