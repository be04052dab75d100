"""Checks free disk space before a file is written, so that a full disk is detected early."""

import errno
import os
from pathlib import Path

# Margin for manifests, progress events and files that other processes write meanwhile.
MARGIN_BYTES = 1 << 20
MARGIN_SHARE = 0.01


def require_checkpoint_space(folder: Path, need_bytes: int) -> None:
    """Raises OSError (ENOSPC) if a checkpoint of `need_bytes` does not fit into `folder`."""
    require_space("a checkpoint", folder, need_bytes, "; older checkpoints are untouched")


def require_space(purpose: str, folder: Path, need_bytes: int, note: str = "") -> None:
    """Raises OSError (ENOSPC) if `purpose` does not fit into `folder`; appends `note` to the message."""
    disk = os.statvfs(folder)
    free = disk.f_bavail * disk.f_frsize
    if free < need_bytes + max(MARGIN_BYTES, int(need_bytes * MARGIN_SHARE)):
        raise OSError(
            errno.ENOSPC,
            f"{os.strerror(errno.ENOSPC)}: {purpose} needs {need_bytes} bytes and a margin, {free} are free in "
            f"{folder}{note}",
        )
