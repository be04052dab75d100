"""The ranks below a launcher, watched directly: torchrun says that one failed only when all others have ended and it
has itself, which takes its interpreter a second and ranks that wait for the dead one up to 30 s.

A pidfd tells at once that a rank ended. How it ended stands in /proc until its parent collects it, which torchrun does
ten times a second; who comes too late reads torchrun's report in the log instead.
"""

import os
import select
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from everswin_trainer.job.folder import Job
from everswin_trainer.job.heartbeat import Heartbeat
from everswin_trainer.job.root_cause import caused, is_reported, read_error, signal_name
from everswin_trainer.job.stop_request import PREEMPTED_EXIT_CODE
from everswin_trainer.system.atomic_file import TEMPORARY_SUFFIX
from everswin_trainer.system.process_tree import ancestors, environment_of, exit_status, start_ticks

# Where a launched process leaves its exception.
ERROR_FILE_ENV = "TORCHELASTIC_ERROR_FILE"
# A rank that failed so soon after one whose end was missed may have failed because of it: the launcher saw both.
REPORT_PATIENCE_SECONDS = 3.0


@dataclass(frozen=True)
class Rank:
    """A rank that sent a heartbeat. `descriptor` turns readable when the last of its threads has ended."""

    number: int
    pid: int
    ticks: int | None
    descriptor: int
    error_file: Path | None

    def raised_at(self) -> float | None:
        """When it left its exception; None if it left none."""
        try:
            return self.error_file.stat().st_mtime if self.error_file else None
        except OSError:
            return None


@dataclass(frozen=True)
class FirstFailure:
    """Which rank failed first, and its wait status."""

    rank: Rank
    status: int
    at: float

    def root_cause(self) -> dict[str, Any]:
        """`rootCause` of exit.json."""
        code = os.waitstatus_to_exitcode(self.status)
        name = signal_name(-code) if code < 0 else None
        # In torchrun's words.
        silent = f"Signal {-code} ({name}) received by PID {self.rank.pid}" if name else "It left no exception."
        raised = read_error(self.rank.error_file) if self.rank.error_file else None
        known = {"rank": self.rank.number, "pid": self.rank.pid, "exitCode": code if code >= 0 else None}
        return caused(**{**known, "signal": name, "message": silent, "at": self.at, **(raised or {})})


class Ranks:
    """`launcher` is the program itself: if that is the only rank, there is nobody to wait for in vain."""

    def __init__(self, job: Job, launcher: int, log_offset: int) -> None:
        self.first_failure: FirstFailure | None = None
        self._job = job
        self._log_offset = log_offset
        self._known = {launcher}
        self._living: list[Rank] = []
        self._ended_unclear = False
        # When the first rank ended that had been collected before we looked; of a clock that never goes back.
        self._missed_at: float | None = None

    def descriptors(self) -> list[int]:
        """What wakes up when a rank ends."""
        return [rank.descriptor for rank in self._living]

    @property
    def report_is_due(self) -> bool:
        """A rank ended, and only the launcher knows how."""
        return self._ended_unclear and (self.first_failure is None or self.report_is_near)

    @property
    def report_is_near(self) -> bool:
        """A rank ended just now, before any that we saw fail."""
        return self._missed_at is not None and time.monotonic() - self._missed_at < REPORT_PATIENCE_SECONDS

    @property
    def cause(self) -> FirstFailure | None:
        """The first failure; None if there is none, or if an end came before it of which the launcher has told."""
        return None if self._missed_at is not None and self._is_reported() else self.first_failure

    @property
    def failed_here(self) -> bool:
        """Whether any failure is known, to us or to the launcher."""
        return self.first_failure is not None or (self._ended_unclear and self._is_reported())

    def collect_ended(self) -> None:
        """To be called as soon as a descriptor is readable: see above."""
        ended = {descriptor for descriptor, _ in _poll(self.descriptors(), 0)}
        failures = []
        for rank in [one for one in self._living if one.descriptor in ended]:
            status = exit_status(rank.pid, rank.ticks)
            self._living.remove(rank)
            os.close(rank.descriptor)
            if status is None or os.waitstatus_to_exitcode(status) == PREEMPTED_EXIT_CODE:
                self._ended_unclear = True
                if status is None and self.first_failure is None and self._missed_at is None:
                    self._missed_at = time.monotonic()
            elif status != 0:
                failures.append(FirstFailure(rank, status, rank.raised_at() or time.time()))
        if failures and self.first_failure is None:
            # One that raised before may take longer to end than those which its silence then killed.
            raised = [FirstFailure(rank, 1 << 8, at) for rank in self._living if (at := rank.raised_at())]
            self.first_failure = min([*failures, *raised], key=lambda one: one.at)

    def watch(self, heartbeats: list[Heartbeat]) -> None:
        """Starts to watch ranks that sent their first heartbeat."""
        for heartbeat in heartbeats:
            if heartbeat.pid in self._known:
                continue
            self._known.add(heartbeat.pid)
            try:
                descriptor = os.pidfd_open(heartbeat.pid)
            except OSError:
                # It ended long ago, or this machine does not let us: the launcher will say.
                continue
            if os.getpid() not in ancestors(heartbeat.pid):
                # The pid is another's now, or counted in another namespace.
                os.close(descriptor)
                continue
            path = environment_of(heartbeat.pid).get(ERROR_FILE_ENV)
            self._living.append(
                Rank(
                    heartbeat.rank, heartbeat.pid, start_ticks(heartbeat.pid), descriptor, Path(path) if path else None
                )
            )

    def have_failed(self) -> bool:
        """Whether one failed and there is nothing left to wait for."""
        if self.report_is_due:
            # Written when all ranks have ended; all that follows is the end of an interpreter.
            return self._is_reported()
        return self.first_failure is not None and not self.first_rank_saves()

    def _is_reported(self) -> bool:
        return is_reported(self._job.log, self._log_offset)

    def forget(self) -> None:
        """Whoever ends from now on was killed by us."""
        for rank in self._living:
            os.close(rank.descriptor)
        self._living = []

    def wait_for_nothing(self) -> bool:
        """Whether what failed elsewhere may end us: nothing is being saved, and nothing failed here just before."""
        return not self.report_is_near and not self.first_rank_saves()

    def first_rank_saves(self) -> bool:
        """A checkpoint that is being written is worth the seconds that the launcher gives those who live."""
        lives = any(rank.number == 0 for rank in self._living)
        return lives and any(self._job.checkpoints.glob(f".*{TEMPORARY_SUFFIX}"))


def _poll(descriptors: list[int], seconds: float) -> list[tuple[int, int]]:
    waiting = select.poll()
    for one in descriptors:
        waiting.register(one, select.POLLIN)
    return waiting.poll(seconds * 1000)
