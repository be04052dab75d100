"""Room for the last words: a small file that is given up when the disk is too full for exit.json."""

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from everswin_trainer.job.folder import Job
from everswin_trainer.system.atomic_file import fsync_folder

BALLAST_BYTES = 64 * 1024
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)

Result = TypeVar("Result")


def load_ballast(job: Job) -> None:
    """Written out, not only declared, so that the file system really keeps the room. A full disk holds none."""
    with suppress(OSError), open(job.ballast, "wb") as stream:
        stream.write(bytes(BALLAST_BYTES))
        stream.flush()
        os.fsync(stream.fileno())


def making_room(job: Job, write: Callable[[], Result]) -> Result:
    """Calls `write`, and once more without the ballast if the disk was full. Raises OSError."""
    try:
        return write()
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
    job.ballast.unlink(missing_ok=True)
    fsync_folder(job.folder)
    return write()
