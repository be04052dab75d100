"""Tells a trainer that hangs from a slow one by the heartbeats of its ranks (job/heartbeat.py)."""

import math

from everswin_trainer.job.heartbeat import STARTUP, Heartbeat
from everswin_trainer.job.outcome import Stall

# A wait may be so many times the longest one that turned out to be none.
PATIENCE = 5.0
# The supervisor looks twice a second. A longer gap means that this process or the whole machine was suspended, which
# does not count as silence of the ranks.
LONGEST_POLL_SECONDS = 5.0


class Watchdog:
    """`floors` says for each phase after how many seconds without a heartbeat, at the earliest, the trainer hangs.

    A phase without one is not watched. Times are of a clock that never goes back.
    """

    def __init__(self, floors: dict[str, float], now: float) -> None:
        self._floors = floors
        self._longest: dict[str, float] = {}
        self._heartbeats: frozenset[Heartbeat] = frozenset()
        self._quiet = 0.0
        self._observed_at = now

    def observe(self, heartbeats: list[Heartbeat], now: float) -> Stall | None:
        """Takes the latest heartbeat of each rank, about twice a second; returns a stall when the trainer hangs."""
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
        """Of the phases that the ranks are in, the one that may take longest: while one saves, the others wait."""
        return max((heartbeat.phase for heartbeat in self._heartbeats), key=self._limit, default=STARTUP)

    def _limit(self, phase: str) -> float:
        if phase not in self._floors:
            return math.inf
        return max(self._floors[phase], PATIENCE * self._longest.get(phase, 0.0))
