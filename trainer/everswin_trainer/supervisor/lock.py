"""The lock of a job: free exactly when no process of the job lives.

It consists of two kernel locks on one file, which answer two questions.

- A POSIX record lock belongs to one process and dies with it: "does a supervisor live?"
- A flock belongs to an open file, which descendants inherit: "does any process of the job live?" The program gets that
  open file as its standard input. Descriptors from 3 on would not do: torchrun starts its ranks through
  `subprocess.Popen`, which closes them, but leaves standard input alone; so does the fork of a data-loader worker.
"""

import fcntl
import os
import time
from dataclasses import dataclass

from everswin_trainer.job.folder import JOB_ENV, Job
from everswin_trainer.system.process_tree import (
    ancestors,
    find_by_environment,
    find_openers,
    kill_processes,
    read_command_line,
)

# A killed process frees its GPU memory before it frees its descriptors, which can take seconds.
SURVIVOR_SECONDS = 60.0
# Processes without our mark become suspects only after the marked ones had time to end.
UNMARKED_AFTER_SECONDS = 2.0


class JobLocked(Exception):
    """Another supervisor holds the job, or survivors of one could not be killed."""


@dataclass(frozen=True)
class JobLock:
    """Both locks of a job, held until this process and all that inherited `descriptor` have ended."""

    descriptor: int
    killed: list[int]


def acquire_job_lock(job: Job) -> JobLock:
    """Acquires both locks and kills survivors of a dead supervisor. Raises JobLocked."""
    descriptor = os.open(job.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        # Never open and close this file again in this process: POSIX drops the record lock at any close.
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise JobLocked(f"a supervisor of {job.folder} is running") from error
    return JobLock(descriptor, _flock_after_survivors(job, descriptor))


def _flock_after_survivors(job: Job, descriptor: int) -> list[int]:
    """Acquires the flock; returns the pids that it killed for it."""
    killed: list[int] = []
    begin = time.monotonic()
    while not _try_flock(descriptor):
        waited = time.monotonic() - begin
        suspects = set(find_by_environment(JOB_ENV, str(job.folder)))
        if waited > UNMARKED_AFTER_SECONDS:
            # Not a supervisor of another job, which may be asking whether anything of ours lives (lease.py).
            suspects |= {pid for pid in find_openers(job.lock) if "supervise" not in read_command_line(pid)[:5]}
        suspects -= {os.getpid(), *ancestors(os.getpid())}
        if waited > SURVIVOR_SECONDS:
            raise JobLocked(f"processes {sorted(suspects)} of a dead supervisor hold {job.lock} and do not end")
        kill_processes(list(suspects))
        killed += [pid for pid in suspects if pid not in killed]
        time.sleep(0.02)
    return killed


def _try_flock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
