import errno
import json
import os
from pathlib import Path

import pytest

from conftest import PLAN
from everswin_trainer.job.control import ControlFile, TrainerControl
from everswin_trainer.job.folder import Job
from everswin_trainer.job.plan import Plan
from everswin_trainer.system.atomic_file import write_json

ALL = {"v": 1, "epochs": 5, "checkpointNow": 2, "learningRateFactor": 0.25, "fp32": True, "accumulate": 4, "gpus": 2}
DEFAULTS = TrainerControl(epochs=3, checkpoint_now=0, learning_rate_factor=1.0, fp32=False, accumulate=1, gpus=1)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job.at(tmp_path)


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """A plan of 3 epochs."""
    (tmp_path / "plan.json").write_text(json.dumps(PLAN))
    return Plan.load(tmp_path / "plan.json")


def test_control_reads_every_value(job: Job, plan: Plan) -> None:
    write_json(job.control, ALL)
    assert TrainerControl.load(job, plan) == TrainerControl(5, 2, 0.25, True, 4, 2)


@pytest.mark.off_contract
@pytest.mark.parametrize("content", [None, b"", b'{"v": 1, "epochs": 5, "check', b"[]", b'{"v": 1}'])
def test_control_uses_the_plan_without_a_valid_file(job: Job, plan: Plan, content: bytes | None) -> None:
    if content is not None:
        job.control.write_bytes(content)
    assert TrainerControl.load(job, plan) == DEFAULTS


@pytest.mark.off_contract
def test_control_uses_the_default_for_a_missing_value(job: Job, plan: Plan) -> None:
    write_json(job.control, {"v": 1, "checkpointNow": 7, "accumulate": 2})
    assert TrainerControl.load(job, plan) == TrainerControl(3, 7, 1.0, False, 2, 1)


@pytest.mark.off_contract
def test_control_uses_the_default_for_an_invalid_value(job: Job, plan: Plan) -> None:
    invalid = {"epochs": 0, "checkpointNow": True, "learningRateFactor": -0.5, "fp32": "yes", "accumulate": 1.5}
    write_json(job.control, invalid)
    assert TrainerControl.load(job, plan) == DEFAULTS


def test_control_file_detects_a_replacement_of_equal_size_and_time(job: Job, plan: Plan) -> None:
    write_json(job.control, ALL)
    os.utime(job.control, ns=(10**18, 10**18))
    control = ControlFile(job, plan)
    assert control.now().checkpoint_now == 2
    write_json(job.control, {**ALL, "checkpointNow": 3})
    os.utime(job.control, ns=(10**18, 10**18))
    assert control.now().checkpoint_now == 3


def test_control_file_is_read_only_when_it_has_changed(job: Job, plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    write_json(job.control, ALL)
    control = ControlFile(job, plan)
    before = control.now()
    monkeypatch.setattr(TrainerControl, "load", lambda *_: pytest.fail("read although nothing changed"))
    assert control.now() is before


def test_control_file_detects_creation_and_deletion(job: Job, plan: Plan) -> None:
    control = ControlFile(job, plan)
    assert control.now() == DEFAULTS
    write_json(job.control, ALL)
    assert control.now().epochs == 5
    job.control.unlink()
    assert control.now() == DEFAULTS


def fail_to_read(_path: Path) -> bytes:
    raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))


def test_values_stay_while_the_file_cannot_be_read(job: Job, plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    write_json(job.control, ALL)
    control = ControlFile(job, plan)
    write_json(job.control, {**ALL, "epochs": 7})
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", fail_to_read)
        assert control.now().epochs == 5
        # A start with other values than the requested ones would change the weights.
        with pytest.raises(OSError, match="Too many open files"):
            TrainerControl.load(job, plan)
    assert control.now().epochs == 7


@pytest.mark.off_contract
def test_values_stay_when_the_file_is_damaged(job: Job, plan: Plan) -> None:
    write_json(job.control, ALL)
    control = ControlFile(job, plan)
    for damaged in ("{", "[]", '{"epochs": "many"}'):
        job.control.write_text(damaged)
        assert control.now() == TrainerControl(5, 2, 0.25, True, 4, 2)
