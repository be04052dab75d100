"""Starts the program of a job, forwards a stop to it, and reaps its process tree."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress

from everswin_trainer.gpu.lease import Lease
from everswin_trainer.job.folder import Attempt, Job
from everswin_trainer.supervisor.lock import SURVIVOR_SECONDS, JobLock
from everswin_trainer.supervisor.ranks import ERROR_FILE_ENV
from everswin_trainer.system.process_tree import descendants, die_with_parent, kill_processes

# Type of `start`.
StartProgram = Callable[[Job, Attempt, JobLock, list[str], int, Lease], int]
STOP_SIGNALS = {signal.SIGTERM, signal.SIGINT}
WATCHED_SIGNALS = STOP_SIGNALS | {signal.SIGCHLD}


def start(job: Job, attempt: Attempt, lock: JobLock, command: list[str], log: int, lease: Lease) -> int:
    """Starts `command` with the lock as its standard input (see lock.py); returns its pid. Raises OSError."""
    supervisor = os.getpid()

    def prepare() -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, WATCHED_SIGNALS)
        # If we are killed, the launcher stops its ranks gracefully instead of training on without a supervisor.
        die_with_parent(supervisor, signal.SIGTERM)

    process = subprocess.Popen(
        command,
        stdin=lock.descriptor,
        stdout=log,
        stderr=log,
        env={**os.environ, **attempt.environment(job), **lease.environment(), ERROR_FILE_ENV: str(job.error)},
        preexec_fn=prepare,
    )
    # We reap every child ourselves, so Popen must not wait for this one.
    process.returncode = 0
    return process.pid


def forward_stop(program: int, job: Job) -> None:
    """Creates the `stop` file, then sends SIGTERM to the program."""
    with suppress(OSError):
        # On a full disk the ranks end without a save, which would fail anyway.
        job.stop.touch()
    os.kill(program, signal.SIGTERM)


def reap(program: int) -> int | None:
    """Reaps every ended child, ours or adopted; returns the program's wait status if it is among them."""
    status = None
    while True:
        try:
            pid, ended = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return status
        if pid == 0:
            return status
        if pid == program:
            status = ended


def kill_descendants() -> None:
    """Kills all descendants, in whatever session, and returns when none lives.

    A process stuck in the kernel by a broken driver cannot be killed, and exit.json must not wait for it. It still
    holds the lock, which keeps the next supervisor out.
    """
    deadline = time.monotonic() + SURVIVOR_SECONDS
    while (below := descendants(os.getpid())) and time.monotonic() < deadline:
        kill_processes(below)
        signal.sigtimedwait({signal.SIGCHLD}, 0.05)
        reap(0)
    reap(0)
