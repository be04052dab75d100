"""Distinguishes a trainer that hangs from a slow one by the heartbeats of its ranks (job/heartbeat.py)."""

import math

from everswin_trainer.job.heartbeat import STARTUP, Heartbeat
from everswin_trainer.job.outcome import Stall

# The limit is this many times the longest silence that was not a hang.
PATIENCE = 5.0
# The supervisor polls twice a second. A longer gap means that this process or the machine was suspended, which does not
# count as silence of the ranks.
LONGEST_POLL_SECONDS = 5.0


class Watchdog:
    """Detects a hang. `floors` maps each phase to its minimum limit: seconds without a heartbeat.

    A phase without a floor is not watched. Times are monotonic.
    """

    def __init__(self, floors: dict[str, float], now: float) -> None:
        self._floors = floors
        self._longest: dict[str, float] = {}
        self._heartbeats: frozenset[Heartbeat] = frozenset()
        self._quiet = 0.0
        self._observed_at = now

    def observe(self, heartbeats: list[Heartbeat], now: float) -> Stall | None:
        """Compares heartbeats with the previous ones; returns a stall if the trainer hangs. Call it twice a second."""
        self._quiet += min(now - self._observed_at, LONGEST_POLL_SECONDS)
        self._observed_at = now
        phase = self._phase()
        if frozenset(heartbeats) != self._heartbeats:
            self._longest[phase] = max(self._longest.get(phase, 0.0), self._quiet)
            self._heartbeats, self._quiet = frozenset(heartbeats), 0.0
            return None
        limit = self._limit(phase)
        if self._quiet <= limit:
            return None
        return Stall(phase, self._quiet, limit, sum(heartbeat.count for heartbeat in heartbeats))

    def _phase(self) -> str:
        """Returns the phase with the highest limit among the ranks: while one saves, the others wait."""
        return max((heartbeat.phase for heartbeat in self._heartbeats), key=self._limit, default=STARTUP)

    def _limit(self, phase: str) -> float:
        if phase not in self._floors:
            return math.inf
        return max(self._floors[phase], PATIENCE * self._longest.get(phase, 0.0))
