"""A job: one folder that one process tree writes. File names, and who owns it (docs/trainer-contract.md)."""

import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from everswin_trainer.system.atomic_file import read_json, write_json
from everswin_trainer.system.process_tree import is_alive, start_ticks

# The supervisor sets these for the whole tree below it; the first also marks every process as belonging to the job.
JOB_ENV = "EVERSWIN_JOB"
ATTEMPT_ENV = "EVERSWIN_ATTEMPT"
FENCE_ENV = "EVERSWIN_FENCE"


@dataclass(frozen=True)
class Job:
    """The files of a job. `folder` is its supervisor's; in `run` all ranks work together: the same, on one host.

    Both are absolute and free of symbolic links.
    """

    folder: Path
    run: Path

    @classmethod
    def at(cls, folder: str | Path, run: str | Path | None = None) -> "Job":
        """Makes folders that are missing."""
        return cls(_make_folder(folder), _make_folder(run or folder))

    @classmethod
    def of_rank(cls, run: str | Path) -> "Job":
        """In a rank: its supervisor says where that watches it."""
        return cls.at(os.environ.get(JOB_ENV, run), run)

    @property
    def run_name(self) -> str:
        return self.run.parent.name

    @property
    def lock(self) -> Path:
        return self.folder / "lock"

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
        """Folder of what the ranks beside the first say."""
        return self.folder / "ranks"

    @property
    def exit(self) -> Path:
        return self.folder / "exit.json"

    @property
    def stop(self) -> Path:
        """Exists from the moment the supervisor was told to stop."""
        return self.folder / "stop"

    @property
    def error(self) -> Path:
        """Where torchelastic leaves the first rank's exception."""
        return self.folder / "error.json"

    @property
    def control(self) -> Path:
        """How the worker controls the trainer; it replaces the file atomically."""
        return self.run / "control.json"

    @property
    def heartbeats(self) -> Path:
        """Folder of the heartbeats, one file for each rank."""
        return self.folder / "beats"

    @property
    def waiting(self) -> Path:
        """For what and for whom the supervisor waits before it starts anything; gone when it waits no more."""
        return self.folder / "waiting.json"

    @property
    def ready(self) -> Path:
        """Which attempt has its GPUs; with several hosts only."""
        return self.folder / "ready.json"

    @property
    def ballast(self) -> Path:
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
    """Which start of the job this is: `number` counts starts, `fence` orders writers."""

    number: int
    fence: int

    @classmethod
    def from_environment(cls) -> "Attempt":
        """What the supervisor said; 0 and 0 when a command is tried out by hand, without one."""
        return cls(int(os.environ.get(ATTEMPT_ENV, "0")), int(os.environ.get(FENCE_ENV, "0")))

    def environment(self, job: Job) -> dict[str, str]:
        """What a supervisor adds to the environment of its program."""
        return {JOB_ENV: str(job.folder), ATTEMPT_ENV: str(self.number), FENCE_ENV: str(self.fence)}


def _make_folder(folder: str | Path) -> Path:
    Path(folder).mkdir(parents=True, exist_ok=True)
    return Path(folder).resolve()


def write_owner(job: Job, attempt: Attempt, log_offset: int, gpus: list[str]) -> None:
    """Names this process as the job's owner; pid and start time together name it for ever.

    `log_offset` is where this attempt's part of the log begins, `gpus` are the UUIDs that it leased.
    """
    write_json(
        job.owner,
        {
            "v": 1,
            "pid": os.getpid(),
            "startTicks": start_ticks(os.getpid()),
            "host": socket.gethostname(),
            "attempt": attempt.number,
            "fence": attempt.fence,
            "logOffset": log_offset,
            "gpus": gpus,
            "startedAt": time.time(),
        },
    )


def is_stop_requested(job: Job) -> bool:
    """Whether SIGTERM means "save and stop": the supervisor was told so, or is no longer there to be told."""
    return job.stop.exists() or living_owner(job) is None


def living_owner(job: Job) -> dict[str, Any] | None:
    """The owner's record if that very process still lives on this host."""
    owner = read_json(job.owner)
    if owner and is_alive(int(owner.get("pid", 0)), owner.get("startTicks")):
        return owner
    return None
