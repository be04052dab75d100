import itertools

import pytest

from everswin_trainer.job.heartbeat import Heartbeat
from everswin_trainer.job.outcome import Stall
from everswin_trainer.supervisor.watchdog import Watchdog

FLOORS = {"startup": 100.0, "step": 10.0, "validation": 200.0, "saving": 50.0}


class Ranks:
    """Ranks that send heartbeats on a simulated clock, which the watchdog polls twice a second."""

    def __init__(self, floors: dict[str, float] | None = None) -> None:
        self.now = 1000.0
        self.watchdog = Watchdog(FLOORS if floors is None else floors, self.now)
        self.heartbeats: dict[int, Heartbeat] = {}
        self._counts = itertools.count(1)

    def heartbeat(self, phase: str, rank: int = 0) -> Stall | None:
        self.heartbeats[rank] = Heartbeat(rank, 100 + rank, phase, next(self._counts))
        return self.silence(0.5)

    def silence(self, seconds: float) -> Stall | None:
        """Advances the clock and returns the first stall in that time."""
        end = self.now + seconds
        while self.now < end:
            self.now += 0.5
            if stall := self.watchdog.observe(list(self.heartbeats.values()), self.now):
                return stall
        return None


@pytest.fixture
def ranks() -> Ranks:
    return Ranks()


def test_silence_beyond_the_floor_is_a_stall(ranks: Ranks) -> None:
    ranks.heartbeat("step")
    assert ranks.silence(10) is None
    assert ranks.silence(1) == Stall("step", 10.5, 10.0, 1)


def test_stall_message_states_duration_and_phase() -> None:
    stall = Stall("step", 63.0, 60.0, 4127)
    assert str(stall) == "no heartbeat for 63 s in phase step (limit 60 s) after 4127 heartbeats"


def test_phase_is_startup_before_the_first_heartbeat(ranks: Ranks) -> None:
    assert ranks.silence(100) is None
    stall = ranks.silence(1)
    assert stall
    assert (stall.phase, stall.limit, stall.count) == ("startup", 100.0, 0)


def test_heartbeat_of_any_rank_is_progress(ranks: Ranks) -> None:
    ranks.heartbeat("step", rank=0)
    for _ in range(5):
        assert ranks.silence(8) is None
        assert ranks.heartbeat("step", rank=1) is None


def test_limit_adapts_to_a_slow_trainer(ranks: Ranks) -> None:
    ranks.heartbeat("step")
    ranks.silence(9)
    ranks.heartbeat("step")
    assert ranks.silence(45) is None
    stall = ranks.silence(5)
    assert stall
    assert stall.limit == pytest.approx(5 * 9.5)


def test_limits_of_phases_are_independent(ranks: Ranks) -> None:
    ranks.heartbeat("validation")
    ranks.silence(150)
    ranks.heartbeat("step")
    stall = ranks.silence(11)
    assert stall
    assert stall.phase == "step"


def test_other_ranks_may_wait_while_one_saves(ranks: Ranks) -> None:
    for rank in range(4):
        ranks.heartbeat("step", rank)
    ranks.heartbeat("saving", rank=2)
    assert ranks.silence(50) is None
    stall = ranks.silence(1)
    assert stall
    assert stall.phase == "saving"


def test_phase_without_a_floor_is_not_watched() -> None:
    ranks = Ranks({"step": 10.0})
    assert ranks.silence(10_000) is None
    ranks.heartbeat("step")
    assert ranks.silence(11)


def test_suspended_machine_is_not_a_hang(ranks: Ranks) -> None:
    ranks.heartbeat("step")
    ranks.now += 3600
    assert ranks.silence(1) is None
