"""Tells a trainer that hangs from one that is slow, by the signs of progress that its ranks give (beats.py)."""

import math

from everswin_trainer.job.beats import STARTUP, Beat
from everswin_trainer.job.ending import Stall

# A wait may be so many times the longest one that turned out to be none.
PATIENCE = 5.0
# Looks come twice a second. If more time passed between two, this process or the whole machine stood still, not the
# ranks alone, and that is not held against them.
LONGEST_LOOK_SECONDS = 5.0


class Watchdog:
    """`floors` says for each phase after how many seconds without a sign, at the earliest, the trainer hangs.

    A phase without one is not watched. Times are of a clock that never goes back.
    """

    def __init__(self, floors: dict[str, float], now: float) -> None:
        self._floors = floors
        self._longest: dict[str, float] = {}
        self._beats: frozenset[Beat] = frozenset()
        self._quiet = 0.0
        self._looked_at = now

    def look(self, beats: list[Beat], now: float) -> Stall | None:
        """To be told the last sign of every rank about twice a second."""
        self._quiet += min(now - self._looked_at, LONGEST_LOOK_SECONDS)
        self._looked_at = now
        phase = self._phase()
        if frozenset(beats) != self._beats:
            self._longest[phase] = max(self._longest.get(phase, 0.0), self._quiet)
            self._beats, self._quiet = frozenset(beats), 0.0
            return None
        limit = self._limit(phase)
        if self._quiet <= limit:
            return None
        return Stall(phase, self._quiet, limit, sum(beat.count for beat in beats))

    def _phase(self) -> str:
        """Of the phases that the ranks are in, the one that may take longest: while one saves, the others wait."""
        return max((beat.phase for beat in self._beats), key=self._limit, default=STARTUP)

    def _limit(self, phase: str) -> float:
        if phase not in self._floors:
            return math.inf
        return max(self._floors[phase], PATIENCE * self._longest.get(phase, 0.0))
