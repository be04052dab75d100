"""The supervisors of one attempt on several hosts, each with a job folder of its own in a folder that all of them see.

They take their GPUs one after the other, always in the same order, so that two runs never hold what the other waits
for; and their programs start when all have them, so that none waits for the others in a launcher. When the part of one
host ends, the parts of the others end too.
"""

import argparse
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from everswin_trainer.gpu.lease import Lease
from everswin_trainer.gpu.wait import LOOK_SECONDS, GivenUp, StopWanted, Wish, wait_for_gpus
from everswin_trainer.job.ending import FINISHED
from everswin_trainer.job.folder import Attempt, Job
from everswin_trainer.job.heartbeat import Heartbeat, read_heartbeats
from everswin_trainer.system.atomic_file import read_json, write_json


@dataclass
class Hosts:
    """`jobs` are those of all hosts in the order in which they take GPUs, `own` among them."""

    own: Job
    attempt: Attempt
    jobs: list[Job]
    # exit.json of the part that ended first; `stopped` is that of one that was told to stop.
    ended: dict[str, Any] | None = field(default=None)

    @classmethod
    def of(cls, arguments: argparse.Namespace, job: Job, attempt: Attempt) -> "Hosts":
        """Alone, unless told otherwise."""
        return cls(job, attempt, [Job.at(folder, job.run) for folder in arguments.hosts] or [job])

    @property
    def others(self) -> list[Job]:
        return [job for job in self.jobs if job != self.own]

    def take_gpus(self, wish: Wish, stop: set[signal.Signals]) -> Lease:
        """Returns when this host and all others have theirs. Raises what `wait_for_gpus` raises."""
        if not self.others:
            return wait_for_gpus(self.own, self.attempt, wish, stop)
        self._wait(lambda: self._without_gpus(self.jobs[: self.jobs.index(self.own)]), wish, stop)
        lease = wait_for_gpus(self.own, self.attempt, wish, stop)
        try:
            write_json(self.own.ready, {"v": 1, "fence": self.attempt.fence})
            self._wait(lambda: self._without_gpus(self.others), wish, stop)
        except (StopWanted, GivenUp):
            lease.release()
            raise
        return lease

    def other_heartbeats(self) -> list[Heartbeat]:
        """Returns the heartbeats of ranks on other hosts: while one of them saves, ours wait for it."""
        return [heartbeat for job in self.others for heartbeat in read_heartbeats(job)]

    def look(self) -> None:
        """Whether another part ended; one that finished says nothing of ours."""
        for job in self.others if self.ended is None else []:
            ending = read_json(job.exit)
            if ending and ending.get("fence") == self.attempt.fence and ending.get("reason") != FINISHED:
                self.ended = {"host": job.folder.name, "stopped": ending.get("stopRequested") is True}
                return

    @property
    def failed(self) -> str | None:
        """The host whose part failed."""
        return self.ended["host"] if self.ended and not self.ended["stopped"] else None

    @property
    def stopped(self) -> bool:
        """The part of another host was told to stop, and has."""
        return self.ended is not None and self.ended["stopped"]

    def _without_gpus(self, jobs: list[Job]) -> list[str]:
        return [job.folder.name for job in jobs if (read_json(job.ready) or {}).get("fence") != self.attempt.fence]

    def _wait(self, missing: Callable[[], list[str]], wish: Wish, stop: set[signal.Signals]) -> None:
        """Until nothing is missing; waiting.json says what is."""
        said: list[str] = []
        since = time.time()
        try:
            while names := missing():
                if names != said:
                    self._say(names, wish, since)
                    said = names
                if signal.sigtimedwait(stop, LOOK_SECONDS) is not None:
                    raise StopWanted
                if os.getppid() != wish.asker:
                    raise GivenUp
        finally:
            self.own.waiting.unlink(missing_ok=True)

    def _say(self, names: list[str], wish: Wish, since: float) -> None:
        state = {"v": 1, "fence": self.attempt.fence, "gpus": wish.count, "since": since, "place": 1}
        # On a full disk we wait all the same.
        with suppress(OSError):
            write_json(self.own.waiting, {**state, "ahead": [], "held": [], "foreign": [], "hosts": names})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--run-dir", type=Path, help="where the ranks of all hosts work together; else the job's own")
    parser.add_argument(
        "--hosts",
        type=Path,
        nargs="+",
        default=[],
        metavar="DIR",
        help="jobs of all hosts, in the order of their names",
    )
