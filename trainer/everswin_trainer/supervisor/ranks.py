"""Watches the ranks of a launcher directly, because torchrun reports a failed rank late.

torchrun reports only after all ranks have ended. Its own exit takes a second, and ranks that wait for the dead one take
up to 30 s. A pidfd signals the end of a rank at once. Its wait status is in /proc until torchrun reaps it,
which happens ten times a second. If we read too late, we use torchrun's report in the log.
"""

import os
import select
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from everswin_trainer.job.folder import Job
from everswin_trainer.job.heartbeat import Heartbeat
from everswin_trainer.job.root_cause import has_report, make_root_cause, read_error, signal_name
from everswin_trainer.job.stop_request import PREEMPTED_EXIT_CODE
from everswin_trainer.system.atomic_file import TEMPORARY_SUFFIX
from everswin_trainer.system.process_tree import ancestors, exit_status, read_environment, start_ticks

# Path of the file in which a launched process records its exception.
ERROR_FILE_ENV = "TORCHELASTIC_ERROR_FILE"
# A rank that fails this soon after one whose status we missed may have failed because of it; the launcher saw both.
REPORT_PATIENCE_SECONDS = 3.0


@dataclass(frozen=True)
class Rank:
    """A rank that sent a heartbeat. `descriptor` becomes readable when its last thread has ended."""

    number: int
    pid: int
    ticks: int | None
    descriptor: int
    error_file: Path | None

    def raised_at(self) -> float | None:
        """Returns the time at which the rank recorded its exception; None if it recorded none."""
        try:
            return self.error_file.stat().st_mtime if self.error_file else None
        except OSError:
            return None


@dataclass(frozen=True)
class FirstFailure:
    """The rank that failed first, with its wait status."""

    rank: Rank
    status: int
    at: float

    def root_cause(self) -> dict[str, Any]:
        """Returns `rootCause` of exit.json."""
        code = os.waitstatus_to_exitcode(self.status)
        name = signal_name(-code) if code < 0 else None
        # The wording of torchrun.
        default = f"Signal {-code} ({name}) received by PID {self.rank.pid}" if name else "It recorded no exception."
        raised = read_error(self.rank.error_file) if self.rank.error_file else None
        known = {"rank": self.rank.number, "pid": self.rank.pid, "exitCode": code if code >= 0 else None}
        return make_root_cause(**{**known, "signal": name, "message": default, "at": self.at, **(raised or {})})


class Ranks:
    """Watches the ranks below the program `launcher`, which is not watched even if it is itself the only rank."""

    def __init__(self, job: Job, launcher: int, log_offset: int) -> None:
        self.first_failure: FirstFailure | None = None
        self._job = job
        self._log_offset = log_offset
        self._known = {launcher}
        self._living: list[Rank] = []
        self._ended_unclear = False
        # Monotonic time at which we first missed the status of a rank, because it had been reaped.
        self._missed_at: float | None = None

    def descriptors(self) -> list[int]:
        """Returns descriptors that become readable when a rank ends."""
        return [rank.descriptor for rank in self._living]

    @property
    def report_is_due(self) -> bool:
        """Returns whether a rank ended with a status that only the launcher's report explains."""
        return self._ended_unclear and (self.first_failure is None or self.report_is_near)

    @property
    def report_is_near(self) -> bool:
        """Returns whether the launcher may be about to report a rank whose status we missed."""
        return self._missed_at is not None and time.monotonic() - self._missed_at < REPORT_PATIENCE_SECONDS

    @property
    def cause(self) -> FirstFailure | None:
        """The first failure; None without one, or if the launcher reported an earlier one whose status we missed."""
        return None if self._missed_at is not None and self._is_reported() else self.first_failure

    @property
    def failed_here(self) -> bool:
        """Returns whether we or the launcher detected a failure on this host."""
        return self.first_failure is not None or (self._ended_unclear and self._is_reported())

    def collect_ended(self) -> None:
        """Reads the status of ranks that ended. Call it as soon as a descriptor is readable."""
        ended = {descriptor for descriptor, _ in _poll(self.descriptors(), 0)}
        failures = []
        for rank in [rank for rank in self._living if rank.descriptor in ended]:
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
            # A rank that raised first may exit after the ranks that failed because of it.
            raised = [FirstFailure(rank, 1 << 8, at) for rank in self._living if (at := rank.raised_at())]
            self.first_failure = min([*failures, *raised], key=lambda failure: failure.at)

    def watch(self, heartbeats: list[Heartbeat]) -> None:
        """Starts to watch ranks that sent their first heartbeat."""
        for heartbeat in heartbeats:
            if heartbeat.pid in self._known:
                continue
            self._known.add(heartbeat.pid)
            try:
                descriptor = os.pidfd_open(heartbeat.pid)
            except OSError:
                # The rank has ended, or the kernel forbids pidfds; the launcher will report it.
                continue
            if os.getpid() not in ancestors(heartbeat.pid):
                # The pid belongs to another process by now, or to another namespace.
                os.close(descriptor)
                continue
            path = read_environment(heartbeat.pid).get(ERROR_FILE_ENV)
            self._living.append(
                Rank(
                    heartbeat.rank, heartbeat.pid, start_ticks(heartbeat.pid), descriptor, Path(path) if path else None
                )
            )

    def have_failed(self) -> bool:
        """Returns whether a rank has failed and no report or save is pending."""
        if self.report_is_due:
            # torchrun reports when all ranks have ended; only its interpreter still has to exit.
            return self._is_reported()
        return self.first_failure is not None and not self.rank0_saves()

    def _is_reported(self) -> bool:
        return has_report(self._job.log, self._log_offset)

    def stop_watching(self) -> None:
        """Stops watching, because we kill the ranks from now on."""
        for rank in self._living:
            os.close(rank.descriptor)
        self._living = []

    def may_be_ended(self) -> bool:
        """Returns whether a failure on another host may end our ranks: no save and no report is pending."""
        return not self.report_is_near and not self.rank0_saves()

    def rank0_saves(self) -> bool:
        """Returns whether rank 0 is writing a checkpoint, which is worth waiting for."""
        lives = any(rank.number == 0 for rank in self._living)
        return lives and any(self._job.checkpoints.glob(f".*{TEMPORARY_SUFFIX}"))


def _poll(descriptors: list[int], seconds: float) -> list[tuple[int, int]]:
    waiting = select.poll()
    for descriptor in descriptors:
        waiting.register(descriptor, select.POLLIN)
    return waiting.poll(seconds * 1000)
