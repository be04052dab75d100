"""A job: one folder that one process tree writes, with file names and owner (docs/reference/trainer-contract.md)."""

import json
import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from everswin_trainer.system.atomic_file import read_json, write_json
from everswin_trainer.system.json_fields import has_fields, is_integer
from everswin_trainer.system.process_tree import boot_id, is_alive, start_ticks

# The supervisor sets these for its process tree; the first also identifies every process of the job.
JOB_ENV = "EVERSWIN_JOB"
ATTEMPT_ENV = "EVERSWIN_ATTEMPT"
FENCE_ENV = "EVERSWIN_FENCE"
# The worker sets it to the version of its code, as JSON.
CODE_ENV = "EVERSWIN_CODE"


@dataclass(frozen=True)
class Job:
    """The paths of a job. `folder` belongs to one supervisor; `run` is shared by the ranks of all hosts.

    On a single host they are the same folder. Both are absolute and free of symbolic links.
    """

    folder: Path
    run: Path

    @classmethod
    def at(cls, folder: str | Path, run: str | Path | None = None) -> "Job":
        """Returns the job in `folder`; creates missing folders."""
        return cls(_make_folder(folder), _make_folder(run or folder))

    @classmethod
    def of_rank(cls, run: str | Path) -> "Job":
        """Returns the job of the calling rank; its supervisor passes `folder` in the environment."""
        return cls.at(os.environ.get(JOB_ENV, run), run)

    @property
    def run_name(self) -> str:
        return self.run.parent.name

    @property
    def lock(self) -> Path:
        return self.folder / "lock"

    @property
    def fences(self) -> Path:
        """Folder of the fencing tokens: one file for each attempt, named by its number."""
        return self.folder / "fences"

    @property
    def owner(self) -> Path:
        return self.folder / "owner.json"

    @property
    def progress(self) -> Path:
        return self.run / "progress.jsonl"

    @property
    def log(self) -> Path:
        return self.folder / "trainer.log"

    @property
    def rank_logs(self) -> Path:
        """Folder of the logs of all ranks but rank 0."""
        return self.folder / "ranks"

    @property
    def exit(self) -> Path:
        return self.folder / "exit.json"

    @property
    def stop(self) -> Path:
        """Exists from the moment a stop was requested of the supervisor."""
        return self.folder / "stop"

    @property
    def error(self) -> Path:
        """File in which torchelastic records the exception of the first rank that failed."""
        return self.folder / "error.json"

    @property
    def control(self) -> Path:
        """Control file; the worker replaces it atomically."""
        return self.run / "control.json"

    @property
    def heartbeats(self) -> Path:
        """Folder of the heartbeats, one file for each rank."""
        return self.folder / "heartbeats"

    @property
    def waiting(self) -> Path:
        """State of the wait for GPUs and other hosts; exists only while the supervisor waits."""
        return self.folder / "waiting.json"

    @property
    def ready(self) -> Path:
        """Names the attempt that holds its GPUs; written only if several hosts take part."""
        return self.folder / "ready.json"

    @property
    def ballast(self) -> Path:
        """File that reserves disk space for exit.json."""
        return self.folder / "ballast"

    @property
    def tensorboard(self) -> Path:
        """Folder of the event files that TensorBoard reads."""
        return self.folder / "tensorboard"

    @property
    def checkpoints(self) -> Path:
        return self.run / "checkpoints"


@dataclass(frozen=True)
class Attempt:
    """One start of the job: `number` counts starts, `fence` orders writers."""

    number: int
    fence: int

    @classmethod
    def from_environment(cls) -> "Attempt":
        """Returns the attempt that the supervisor passed; 0 and 0 for a command run manually, without a supervisor."""
        return cls(int(os.environ.get(ATTEMPT_ENV, "0")), int(os.environ.get(FENCE_ENV, "0")))

    def environment(self, job: Job) -> dict[str, str]:
        """Returns the variables that a supervisor adds to the environment of its program."""
        return {JOB_ENV: str(job.folder), ATTEMPT_ENV: str(self.number), FENCE_ENV: str(self.fence)}


def _make_folder(folder: str | Path) -> Path:
    Path(folder).mkdir(parents=True, exist_ok=True)
    return Path(folder).resolve()


def write_owner(job: Job, attempt: Attempt, log_offset: int, gpus: list[str]) -> None:
    """Records this process as the job's owner; pid and start time together identify it uniquely.

    This attempt's part of the log begins at `log_offset`; `gpus` are the UUIDs that it leased.
    """
    write_json(
        job.owner,
        {
            "v": 1,
            "pid": os.getpid(),
            "startTicks": start_ticks(os.getpid()),
            "host": socket.gethostname(),
            "boot": boot_id(),
            "attempt": attempt.number,
            "fence": attempt.fence,
            "logOffset": log_offset,
            "gpus": gpus,
            "startedAt": time.time(),
            **({"code": json.loads(os.environ[CODE_ENV])} if CODE_ENV in os.environ else {}),
        },
    )


def is_stop_requested(job: Job) -> bool:
    """Returns whether SIGTERM means "save and stop": a stop was requested, or no supervisor is left to request it."""
    return job.stop.exists() or living_owner(job) is None


def newest_fence(job: Job) -> int:
    """Returns the highest fencing token of the job; 0 if there is none."""
    names = os.listdir(job.fences) if job.fences.is_dir() else []
    return max((int(name) for name in names if name.isdecimal()), default=0)


def living_owner(job: Job) -> dict[str, Any] | None:
    """Returns the record of the owner if that process still runs on this host."""
    owner = read_json(job.owner)
    if has_fields(owner, {"pid": is_integer, "startTicks": is_integer}) and is_alive(owner["pid"], owner["startTicks"]):
        return owner
    return None
