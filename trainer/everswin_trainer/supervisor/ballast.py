"""Reserves disk space for exit.json: a small file that is deleted when the disk is full."""

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from everswin_trainer.job.folder import Job
from everswin_trainer.system.atomic_file import fsync_folder

BALLAST_BYTES = 64 * 1024
DISK_FULL_ERRORS = (errno.ENOSPC, errno.EDQUOT)

Result = TypeVar("Result")


def write_ballast(job: Job) -> None:
    """Writes the ballast as real bytes, since a sparse file reserves no space. Does nothing on a full disk."""
    with suppress(OSError), open(job.ballast, "wb") as stream:
        stream.write(bytes(BALLAST_BYTES))
        stream.flush()
        os.fsync(stream.fileno())


def with_ballast(job: Job, write: Callable[[], Result]) -> Result:
    """Calls `write`; if the disk is full, deletes the ballast and calls it again. Raises OSError."""
    try:
        return write()
    except OSError as error:
        if error.errno not in DISK_FULL_ERRORS:
            raise
    job.ballast.unlink(missing_ok=True)
    fsync_folder(job.folder)
    return write()
