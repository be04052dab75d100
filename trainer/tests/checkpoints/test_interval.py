import dataclasses
import json
from math import sqrt
from pathlib import Path

import pytest

from conftest import PLAN
from everswin_trainer.checkpoints.interval import estimate_epoch_seconds, seconds_between_crashes, seconds_between_saves
from everswin_trainer.job.plan import Plan

DAY = 24 * 3600.0


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """A plan with `auto`."""
    (tmp_path / "plan.json").write_text(json.dumps(PLAN))
    return dataclasses.replace(Plan.load(tmp_path / "plan.json"), every_minutes=None)


def attempt(number: int, begin: float, seconds: float, ended: bool = False) -> list[dict]:
    """Returns the events of an attempt with one step at half time."""
    kinds = [("started", 0.0), ("step", seconds / 2), ("ended" if ended else "step", seconds)]
    return [{"type": kind, "attempt": number, "t": begin + after} for kind, after in kinds]


def test_interval_uses_the_minutes_of_the_plan(plan: Plan) -> None:
    assert seconds_between_saves(dataclasses.replace(plan, every_minutes=0.5), [], 100.0, 1.0) == 30


def test_interval_assumes_one_crash_per_day_without_history(plan: Plan) -> None:
    assert seconds_between_saves(plan, [], 2.0, None) == pytest.approx(sqrt(2 * 2.0 * DAY))


def test_interval_shrinks_with_crashes_and_grows_with_uptime(plan: Plan) -> None:
    def after(events: list[dict]) -> float:
        return seconds_between_saves(plan, events, 2.0, None)

    crashed = attempt(1, 0, 3600) + attempt(5, 4000, 3600) + attempt(9, 8000, 3600)
    assert after(crashed) == pytest.approx(sqrt(2 * 2.0 * (DAY + 3 * 3600) / 3))
    assert after(crashed) < after([]) < after(attempt(1, 0, 5 * DAY))


def test_attempt_with_an_ended_event_is_not_a_crash() -> None:
    stopped = attempt(1, 0, 3600, ended=True) + attempt(2, 4000, 3600)
    assert seconds_between_crashes(stopped) == DAY + 7200
    assert seconds_between_crashes(stopped + attempt(3, 8000, 0)) == (DAY + 7200) / 2


def test_uptime_ignores_pauses_and_clocks_set_back() -> None:
    paused = attempt(1, 0, 100, ended=True) + attempt(2, 30 * DAY, 100)
    assert seconds_between_crashes(paused) == DAY + 200
    back = attempt(1, 1000, 100) + [{"type": "step", "attempt": 1, "t": 0.0}]
    assert seconds_between_crashes(back) == DAY + 100


def test_warning_before_a_start_belongs_to_its_attempt() -> None:
    warned = [{"type": "warning", "attempt": 2, "t": 4000.0}, *attempt(2, 4010, 90)]
    assert seconds_between_crashes(attempt(1, 0, 100, ended=True) + warned) == DAY + 200


def test_interval_is_between_two_minutes_and_an_epoch(plan: Plan) -> None:
    assert seconds_between_saves(plan, [], 0.0, None) == 120
    assert seconds_between_saves(plan, [], 30.0, 600.0) == 600
    assert seconds_between_saves(plan, [], 30.0, 20.0) == 120


def test_epoch_duration_is_estimated_from_the_newest_step() -> None:
    started = {"type": "started", "iterationsPerEpoch": 50}
    assert estimate_epoch_seconds([started]) is None
    steps = [{"type": "step", "stepSeconds": seconds} for seconds in (9.0, 2.0)]
    assert estimate_epoch_seconds([started, *steps]) == 100
