import json
import os
from pathlib import Path

import pytest

from conftest import PLAN
from everswin_trainer.job.folder import Job
from everswin_trainer.job.orders import Orders, OrdersFile
from everswin_trainer.job.plan import Plan
from everswin_trainer.system.atomic_file import write_json

ALL = {"v": 1, "epochs": 5, "checkpointNow": 2, "learningRateFactor": 0.25, "fp32": True, "accumulate": 4}
DEFAULTS = Orders(epochs=3, checkpoint_now=0, learning_rate_factor=1.0, fp32=False, accumulate=1)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job.at(tmp_path)


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """Of 3 epochs."""
    (tmp_path / "plan.json").write_text(json.dumps(PLAN))
    return Plan.load(tmp_path / "plan.json")


def test_all_orders_are_read(job: Job, plan: Plan) -> None:
    write_json(job.orders, ALL)
    assert Orders.load(job, plan) == Orders(5, 2, 0.25, True, 4)


@pytest.mark.parametrize("content", [None, b"", b'{"v": 1, "epochs": 5, "check', b"[]", b'{"v": 1}'])
def test_without_a_whole_file_the_plan_stands(job: Job, plan: Plan, content: bytes | None) -> None:
    if content is not None:
        job.orders.write_bytes(content)
    assert Orders.load(job, plan) == DEFAULTS


def test_a_missing_order_is_its_default(job: Job, plan: Plan) -> None:
    write_json(job.orders, {"v": 1, "checkpointNow": 7, "accumulate": 2})
    assert Orders.load(job, plan) == Orders(3, 7, 1.0, False, 2)


def test_an_order_that_makes_no_sense_is_not_one(job: Job, plan: Plan) -> None:
    senseless = {"epochs": 0, "checkpointNow": True, "learningRateFactor": -0.5, "fp32": "yes", "accumulate": 1.5}
    write_json(job.orders, senseless)
    assert Orders.load(job, plan) == DEFAULTS


def test_each_replacement_is_seen_though_size_and_time_are_the_same(job: Job, plan: Plan) -> None:
    write_json(job.orders, ALL)
    os.utime(job.orders, ns=(10**18, 10**18))
    orders = OrdersFile(job, plan)
    assert orders.now().checkpoint_now == 2
    write_json(job.orders, {**ALL, "checkpointNow": 3})
    os.utime(job.orders, ns=(10**18, 10**18))
    assert orders.now().checkpoint_now == 3


def test_the_file_is_read_only_when_it_changed(job: Job, plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    write_json(job.orders, ALL)
    orders = OrdersFile(job, plan)
    before = orders.now()
    monkeypatch.setattr(Orders, "load", lambda *_: pytest.fail("read though nothing changed"))
    assert orders.now() is before


def test_a_file_that_comes_or_goes_while_training_runs_is_noticed(job: Job, plan: Plan) -> None:
    orders = OrdersFile(job, plan)
    assert orders.now() == DEFAULTS
    write_json(job.orders, ALL)
    assert orders.now().epochs == 5
    job.orders.unlink()
    assert orders.now() == DEFAULTS
