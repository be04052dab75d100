"""Watches the program of a job until it ends, and decides when to stop or kill it."""

import os
import signal
import time

from everswin_trainer.job.heartbeat import Heartbeat, read_heartbeats
from everswin_trainer.job.outcome import Stall
from everswin_trainer.supervisor.hosts import Hosts
from everswin_trainer.supervisor.program import STOP_SIGNALS, WATCHED_SIGNALS, forward_stop, reap
from everswin_trainer.supervisor.ranks import Ranks
from everswin_trainer.supervisor.stack_traces import write_stack_traces
from everswin_trainer.supervisor.watchdog import Watchdog
from everswin_trainer.system.process_tree import descendants, kill_processes
from everswin_trainer.system.retry import retry_os_errors
from everswin_trainer.system.signals import Signals

# Interval between checks of the heartbeats.
POLL_SECONDS = 0.5
# Interval at which the log is searched for the launcher's report, once it is due.
REPORT_SECONDS = 0.05
# Interval between attempts to kill descendants that do not end.
KILL_AGAIN_SECONDS = 1.0
# Wait status of torchrun when a rank failed.
RANK_FAILED_STATUS = 1 << 8


class ProgramWatch:
    """Watches one program. `stop_requested` and `stall` are final once `wait` has returned.

    A stop is forwarded once as SIGTERM; after the grace period all descendants are killed. A program that hangs is
    killed once its stacks are in the log. One with a failed rank, here or on another host, is killed once that is
    known. During a stop only the grace period counts, neither the watchdog nor failed ranks. Errors of the machine end
    the watch if they last for the grace period; the launcher then stops its ranks.
    """

    def __init__(self, program: int, hosts: Hosts, ranks: Ranks, watchdog: Watchdog, grace_seconds: float) -> None:
        self.stop_requested = False
        self.stall: Stall | None = None
        self._rank_failed = False
        # Monotonic time at which all descendants are killed.
        self._kill_at: float | None = None
        self._program = program
        self._hosts = hosts
        self._ranks = ranks
        self._watchdog = watchdog
        self._grace_seconds = grace_seconds

    def wait(self) -> int:
        """Waits until the program has ended and returns its wait status."""
        signals = Signals(WATCHED_SIGNALS)
        while (status := reap(self._program)) is None:
            retry_os_errors(lambda: self._poll(signals), self._grace_seconds)
        # A stop that arrived together with the end counts as requested.
        self.stop_requested |= bool(signal.sigpending() & STOP_SIGNALS)
        return RANK_FAILED_STATUS if self._rank_failed else status

    def _poll(self, signals: Signals) -> None:
        """Waits for a signal, an ended rank or the next check, then acts on it. It can be repeated after any error."""
        caught = signals.wait(self._seconds_to_wait(), self._ranks.descriptors())
        if caught is not None and caught.si_signo in STOP_SIGNALS:
            self._request_stop()
        heartbeats = self._collect()
        if self._kill_at is None:
            self._check(heartbeats)
        self._kill_if_due()

    def _seconds_to_wait(self) -> float:
        if self._kill_at is not None:
            return max(0.0, self._kill_at - time.monotonic())
        return REPORT_SECONDS if self._ranks.report_is_due else POLL_SECONDS

    def _collect(self) -> list[Heartbeat]:
        """Collects ended ranks, new ranks and the state of other hosts; returns the heartbeats of this host."""
        self._ranks.collect_ended()
        heartbeats = read_heartbeats(self._hosts.own)
        self._ranks.watch(heartbeats)
        self._hosts.poll()
        return heartbeats

    def _request_stop(self) -> None:
        self.stop_requested = True
        if self._kill_at is None:
            self._kill_at = time.monotonic() + self._grace_seconds
            forward_stop(self._program, self._hosts.own)

    def _check(self, heartbeats: list[Heartbeat]) -> None:
        """Schedules the end of a program that hangs, or that has failed or stopped on any host."""
        if self._ranks.have_failed():
            self._end_failed()
        elif self._hosts.stopped:
            self._request_stop()
        elif self._hosts.failed is not None and self._ranks.may_be_ended():
            self._end_failed()
        elif stall := self._watchdog.observe(heartbeats + self._hosts.other_heartbeats(), time.monotonic()):
            self.stall = stall
            write_stack_traces(self._hosts.own, self._hosts.attempt)
            self._kill_at = time.monotonic()

    def _end_failed(self) -> None:
        self._rank_failed = True
        self._kill_at = time.monotonic()

    def _kill_if_due(self) -> None:
        if self._kill_at is not None and time.monotonic() >= self._kill_at:
            self._ranks.stop_watching()
            kill_processes(descendants(os.getpid()))
            self._kill_at = time.monotonic() + KILL_AGAIN_SECONDS
