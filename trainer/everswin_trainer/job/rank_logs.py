"""Log files of ranks: rank 0 writes to the job's log, every other rank to its own, so that lines never mix."""

import os
import re
import socket
from pathlib import Path

from everswin_trainer.job.folder import FENCE_ENV, JOB_ENV, Job

# Number of attempts whose logs are kept; each has a file for every rank but rank 0.
KEPT_ATTEMPTS = 5


def redirect_to_rank_log() -> None:
    """Redirects standard output and error of this rank to its own log. Call it before anything is printed.

    Rank 0 and a command without a supervisor keep their output.
    """
    rank, folder = os.environ.get("RANK", "0"), os.environ.get(JOB_ENV)
    if rank == "0" or folder is None:
        return
    path = rank_log_path(Job.at(folder), os.environ.get(FENCE_ENV, "0"), rank)
    path.parent.mkdir(exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    os.write(descriptor, f"rank {rank}, pid {os.getpid()}, host {socket.gethostname()}\n".encode())
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    os.close(descriptor)


def rank_log_path(job: Job, fence: int | str, rank: int | str) -> Path:
    return job.rank_logs / f"{fence}-rank-{rank}.log"


def rank_error_path(job: Job, fence: int | str, rank: int | str) -> Path:
    """Returns the path of the exception of a forked rank; torchrun uses temporary files instead."""
    return rank_log_path(job, fence, rank).with_suffix(".error.json")


def list_rank_logs(job: Job, fence: int) -> list[Path]:
    """Returns the rank logs of one attempt, in any order."""
    return list(job.rank_logs.glob(rank_log_path(job, fence, "*").name))


def prune_rank_logs(job: Job) -> None:
    """Deletes the rank logs of all but the newest attempts."""
    logs = [(int(match[1]), path) for path in job.rank_logs.glob("*") if (match := re.match(r"(\d+)-", path.name))]
    kept_fences = sorted({fence for fence, _ in logs})[-KEPT_ATTEMPTS:]
    for fence, path in logs:
        if fence not in kept_fences:
            path.unlink(missing_ok=True)
