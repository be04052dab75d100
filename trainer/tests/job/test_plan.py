import json
from pathlib import Path
from typing import Any

import pytest

from conftest import PLAN
from everswin_trainer.job.plan import Plan
from everswin_trainer.job.speed import Speed


def load(folder: Path, checkpoint: dict[str, Any]) -> Plan:
    (folder / "plan.json").write_text(json.dumps({**PLAN, "checkpoint": {"keepLast": 3, **checkpoint}}))
    return Plan.load(folder / "plan.json")


def test_plan_accepts_minutes_or_auto_as_interval(tmp_path: Path) -> None:
    assert load(tmp_path, {"everyMinutes": 7}).every_minutes == 7.0
    assert load(tmp_path, {"everyMinutes": "auto"}).every_minutes is None


@pytest.mark.off_contract
@pytest.mark.parametrize("minutes", [0, -1, True, None, "often", [10]])
def test_plan_refuses_other_intervals(tmp_path: Path, minutes: Any) -> None:
    with pytest.raises(ValueError, match='expected checkpoint.everyMinutes to be a number above 0 or "auto", got'):
        load(tmp_path, {"everyMinutes": minutes})


def test_plan_accepts_optional_milestones(tmp_path: Path) -> None:
    assert load(tmp_path, {"everyMinutes": 7}).milestones is None
    assert load(tmp_path, {"everyMinutes": 7, "milestones": []}).milestones == frozenset()
    assert load(tmp_path, {"everyMinutes": 7, "milestones": [27, 33, 27]}).milestones == {27, 33}


@pytest.mark.off_contract
@pytest.mark.parametrize("milestones", [3, "3", [0], [1.5], [True], {"3": 1}])
def test_plan_refuses_other_milestones(tmp_path: Path, milestones: Any) -> None:
    with pytest.raises(ValueError, match="expected checkpoint.milestones to be a list of integers of at least 1"):
        load(tmp_path, {"everyMinutes": 7, "milestones": milestones})


def load_speed(folder: Path, speed: Any) -> Plan:
    (folder / "plan.json").write_text(json.dumps({**PLAN, **({} if speed is None else {"speed": speed})}))
    return Plan.load(folder / "plan.json")


@pytest.mark.off_contract
def test_speed_switches_default_to_off(tmp_path: Path) -> None:
    assert load_speed(tmp_path, None).speed == Speed()
    assert load_speed(tmp_path, {}).speed == Speed()
    assert load_speed(tmp_path, {"sdpaAttention": True, "fusedAdamW": False}).speed == Speed(sdpa_attention=True)


@pytest.mark.off_contract
@pytest.mark.parametrize("value", [1, "true", [], {}])
def test_plan_refuses_other_values_of_a_switch(tmp_path: Path, value: Any) -> None:
    with pytest.raises(ValueError, match="expected speed.channelsLast to be true or false, got"):
        load_speed(tmp_path, {"channelsLast": value})
