import itertools

import pytest

from everswin_trainer.job.heartbeat import Heartbeat
from everswin_trainer.job.outcome import Stall
from everswin_trainer.supervisor.watchdog import Watchdog

FLOORS = {"startup": 100.0, "step": 10.0, "validation": 200.0, "saving": 50.0}


class Ranks:
    """Ranks that give signs while a clock runs that the watchdog looks at twice a second."""

    def __init__(self, floors: dict[str, float] | None = None) -> None:
        self.now = 1000.0
        self.watchdog = Watchdog(FLOORS if floors is None else floors, self.now)
        self.heartbeats: dict[int, Heartbeat] = {}
        self._counts = itertools.count(1)

    def sign(self, phase: str, rank: int = 0) -> Stall | None:
        self.heartbeats[rank] = Heartbeat(rank, 100 + rank, phase, next(self._counts))
        return self.silence(0.5)

    def silence(self, seconds: float) -> Stall | None:
        """The first stall that was seen in this time."""
        end = self.now + seconds
        while self.now < end:
            self.now += 0.5
            if stall := self.watchdog.observe(list(self.heartbeats.values()), self.now):
                return stall
        return None


@pytest.fixture
def ranks() -> Ranks:
    return Ranks()


def test_silence_beyond_the_floor_of_the_phase_is_a_stall(ranks: Ranks) -> None:
    ranks.sign("step")
    assert ranks.silence(10) is None
    assert ranks.silence(1) == Stall("step", 10.5, 10.0, 1)


def test_a_stall_says_for_how_long_and_in_which_phase() -> None:
    stall = Stall("step", 63.0, 60.0, 4127)
    assert str(stall) == "no sign of progress for 63 s in phase step (limit 60 s) after 4127 signs"


def test_before_the_first_sign_the_program_starts_up(ranks: Ranks) -> None:
    assert ranks.silence(100) is None
    stall = ranks.silence(1)
    assert stall
    assert (stall.phase, stall.limit, stall.count) == ("startup", 100.0, 0)


def test_a_sign_of_any_rank_is_progress(ranks: Ranks) -> None:
    ranks.sign("step", rank=0)
    for _ in range(5):
        assert ranks.silence(8) is None
        assert ranks.sign("step", rank=1) is None


def test_a_trainer_that_is_slow_from_the_start_sets_its_own_limit(ranks: Ranks) -> None:
    ranks.sign("step")
    ranks.silence(9)
    ranks.sign("step")
    assert ranks.silence(45) is None
    stall = ranks.silence(5)
    assert stall
    assert stall.limit == pytest.approx(5 * 9.5)


def test_what_one_phase_taught_holds_for_no_other(ranks: Ranks) -> None:
    ranks.sign("validation")
    ranks.silence(150)
    ranks.sign("step")
    stall = ranks.silence(11)
    assert stall
    assert stall.phase == "step"


def test_while_one_rank_saves_the_others_wait(ranks: Ranks) -> None:
    for rank in range(4):
        ranks.sign("step", rank)
    ranks.sign("saving", rank=2)
    assert ranks.silence(50) is None
    stall = ranks.silence(1)
    assert stall
    assert stall.phase == "saving"


def test_a_phase_without_a_floor_is_not_watched() -> None:
    ranks = Ranks({"step": 10.0})
    assert ranks.silence(10_000) is None
    ranks.sign("step")
    assert ranks.silence(11)


def test_a_machine_that_stood_still_is_no_trainer_that_hangs(ranks: Ranks) -> None:
    ranks.sign("step")
    ranks.now += 3600
    assert ranks.silence(1) is None
