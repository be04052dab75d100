"""Coordinates the supervisors of one attempt on several hosts, each with its own job folder on shared storage.

They acquire GPUs one host after the other, always in the same order, so that two runs never deadlock. Programs start
when every host has its GPUs, so that no launcher waits for another. If one host fails or stops, all hosts end.
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
from everswin_trainer.gpu.wait import POLL_SECONDS, GpuRequest, ParentExited, StopRequested, wait_for_gpus
from everswin_trainer.job.folder import Attempt, Job
from everswin_trainer.job.heartbeat import Heartbeat, read_heartbeats
from everswin_trainer.job.outcome import FINISHED
from everswin_trainer.system.atomic_file import read_json, write_json


@dataclass
class Hosts:
    """The jobs of all hosts, `own` included, in the order in which they acquire GPUs."""

    own: Job
    attempt: Attempt
    jobs: list[Job]
    # The first host that ended without finishing, and whether that was on request.
    ended: dict[str, Any] | None = field(default=None)

    @classmethod
    def from_arguments(cls, arguments: argparse.Namespace, job: Job, attempt: Attempt) -> "Hosts":
        """Returns the hosts that the arguments list; only this one if they list none."""
        return cls(job, attempt, [Job.at(folder, job.run) for folder in arguments.hosts] or [job])

    @property
    def others(self) -> list[Job]:
        return [job for job in self.jobs if job != self.own]

    def acquire_gpus(self, request: GpuRequest, stop: set[signal.Signals]) -> Lease:
        """Returns the lease of this host once every host has its GPUs. Raises what `wait_for_gpus` raises."""
        if not self.others:
            return wait_for_gpus(self.own, self.attempt, request, stop)
        self._wait(lambda: self._without_gpus(self.jobs[: self.jobs.index(self.own)]), request, stop)
        lease = wait_for_gpus(self.own, self.attempt, request, stop)
        try:
            write_json(self.own.ready, {"v": 1, "fence": self.attempt.fence})
            self._wait(lambda: self._without_gpus(self.others), request, stop)
        except (StopRequested, ParentExited):
            lease.release()
            raise
        return lease

    def other_heartbeats(self) -> list[Heartbeat]:
        """Returns the heartbeats of ranks on other hosts, for which our ranks wait while one of them saves."""
        return [heartbeat for job in self.others for heartbeat in read_heartbeats(job)]

    def poll(self) -> None:
        """Checks whether another host has failed or stopped. A host that finished does not end this one."""
        for job in self.others if self.ended is None else []:
            ending = read_json(job.exit)
            if ending and ending.get("fence") == self.attempt.fence and ending.get("reason") != FINISHED:
                self.ended = {"host": job.folder.name, "stopped": ending.get("stopRequested") is True}
                return

    @property
    def failed(self) -> str | None:
        """Name of the first host that failed."""
        return self.ended["host"] if self.ended and not self.ended["stopped"] else None

    @property
    def stopped(self) -> bool:
        """Returns whether another host was stopped on request."""
        return self.ended is not None and self.ended["stopped"]

    def _without_gpus(self, jobs: list[Job]) -> list[str]:
        return [job.folder.name for job in jobs if (read_json(job.ready) or {}).get("fence") != self.attempt.fence]

    def _wait(self, missing: Callable[[], list[str]], request: GpuRequest, stop: set[signal.Signals]) -> None:
        """Waits until no host is missing; waiting.json lists the missing ones."""
        published: list[str] = []
        since = time.time()
        try:
            while names := missing():
                if names != published:
                    self._publish(names, request, since)
                    published = names
                if signal.sigtimedwait(stop, POLL_SECONDS) is not None:
                    raise StopRequested
                if os.getppid() != request.parent_pid:
                    raise ParentExited
        finally:
            self.own.waiting.unlink(missing_ok=True)

    def _publish(self, names: list[str], request: GpuRequest, since: float) -> None:
        state = {"v": 1, "fence": self.attempt.fence, "gpus": request.count, "since": since, "position": 1}
        # A full disk does not end the wait.
        with suppress(OSError):
            write_json(self.own.waiting, {**state, "ahead": [], "holders": [], "foreign": [], "hosts": names})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--run-dir", type=Path, help="folder shared by the ranks of all hosts (default: the job's)")
    parser.add_argument(
        "--hosts",
        type=Path,
        nargs="+",
        default=[],
        metavar="DIR",
        help="job folders of all hosts, sorted by name",
    )
