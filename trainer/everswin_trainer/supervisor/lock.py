"""The lock of a job, which is free exactly when no process of the job lives.

It consists of two kernel locks on one file:

- A POSIX record lock belongs to one process and ends with it. It is held while a supervisor lives.
- A flock belongs to an open file, which descendants inherit. It is held while any process of the job lives. The program
  gets that open file as its standard input. Descriptors above 2 would not work: torchrun starts its ranks through
  `subprocess.Popen`, which closes them but keeps standard input. A forked data-loader worker keeps it too.
"""

import fcntl
import os
import time
from dataclasses import dataclass

from everswin_trainer.job.folder import JOB_ENV, Job
from everswin_trainer.system.file_lock import try_flock
from everswin_trainer.system.process_tree import (
    ancestors,
    find_by_environment,
    find_openers,
    kill_processes,
    read_command_line,
)

# A killed process frees its GPU memory before it frees its descriptors, which can take seconds.
SURVIVOR_SECONDS = 60.0
# Processes without the job's environment are killed only after those with it had time to end.
OPENERS_AFTER_SECONDS = 2.0


class JobLocked(Exception):
    """Raised when another supervisor holds the lock, or when its surviving processes cannot be killed."""


@dataclass(frozen=True)
class JobLock:
    """Both locks of a job, held until this process and all that inherited `descriptor` have ended."""

    descriptor: int
    killed: list[int]


def acquire_job_lock(job: Job) -> JobLock:
    """Acquires both locks; kills processes that survived a dead supervisor. Raises JobLocked."""
    descriptor = os.open(job.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        # Never open and close this file again in this process: POSIX drops the record lock at any close.
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise JobLocked(f"another supervisor of {job.folder} is running") from error
    return JobLock(descriptor, _flock_after_survivors(job, descriptor))


def _flock_after_survivors(job: Job, descriptor: int) -> list[int]:
    """Acquires the flock; returns the pids of the survivors that it killed."""
    killed: list[int] = []
    begin = time.monotonic()
    while not try_flock(descriptor):
        waited = time.monotonic() - begin
        suspects = set(find_by_environment(JOB_ENV, str(job.folder)))
        if waited > OPENERS_AFTER_SECONDS:
            # Spares supervisors of other jobs, which open this lock briefly to test it (lease.py).
            suspects |= {pid for pid in find_openers(job.lock) if "supervise" not in read_command_line(pid)[:5]}
        suspects -= {os.getpid(), *ancestors(os.getpid())}
        if waited > SURVIVOR_SECONDS:
            raise JobLocked(
                f"{job.lock} is still held after {SURVIVOR_SECONDS:.0f} s by processes {sorted(suspects)}. They "
                "survived SIGKILL; if they do not end, restart this machine"
            )
        kill_processes(list(suspects))
        killed += [pid for pid in suspects if pid not in killed]
        time.sleep(0.02)
    return killed
