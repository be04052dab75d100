"""The trainer reads exactly the fields that trainer/contract describes."""

import json
from pathlib import Path
from typing import Any

import pytest

from conftest import CONTROL, PLAN
from contract import check, schema
from everswin_trainer.job import control
from everswin_trainer.job.control import TrainerControl
from everswin_trainer.job.folder import Job
from everswin_trainer.job.plan import Plan
from everswin_trainer.system.atomic_file import write_json


class Recorded(dict[str, Any]):
    """A dictionary that records the paths of the fields that `get` reads."""

    def __init__(self, content: dict[str, Any], reads: set[str], prefix: str = "") -> None:
        super().__init__(content)
        self._reads, self._prefix = reads, prefix

    def get(self, key: str, default: Any = None) -> Any:
        value = super().get(key, default)
        path = f"{self._prefix}{key}"
        if isinstance(value, dict):
            return Recorded(value, self._reads, f"{path}.")
        self._reads.add(path)
        return value


def leaves(part: dict[str, Any], prefix: str = "") -> set[str]:
    """Paths of all fields of a schema that hold no object."""
    found = set()
    for name, field in part["properties"].items():
        found |= leaves(field, f"{prefix}{name}.") if "properties" in field else {f"{prefix}{name}"}
    return found


def test_plan_reads_exactly_the_fields_of_its_schema(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check("plan", PLAN)
    reads: set[str] = set()
    (tmp_path / "plan.json").write_text(json.dumps(PLAN))
    monkeypatch.setattr("everswin_trainer.job.plan.json.loads", lambda _: Recorded(PLAN, reads))
    Plan.load(tmp_path / "plan.json")
    assert reads == leaves(schema("plan")) - {"v"}


def test_control_reads_exactly_the_fields_of_its_schema(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check("control", CONTROL)
    (tmp_path / "plan.json").write_text(json.dumps(PLAN))
    plan = Plan.load(tmp_path / "plan.json")
    reads: set[str] = set()
    monkeypatch.setattr(control, "parse_object", lambda _: Recorded(CONTROL, reads))
    job = Job.at(tmp_path / "train")
    write_json(job.control, CONTROL)
    TrainerControl.load(job, plan)
    assert reads == leaves(schema("control")) - {"v"}


def test_check_rejects_a_renamed_field() -> None:
    renamed = {**CONTROL, "lastEpoch": 3}
    del renamed["epochs"]
    with pytest.raises(AssertionError, match=r"'epochs' is a required property.*'lastEpoch' was unexpected"):
        check("control", renamed)


def test_check_names_the_wrong_field_of_an_event() -> None:
    with pytest.raises(AssertionError, match=r"'message' is a required property, .*'text' was unexpected"):
        check("progress-event", {"v": 1, "type": "warning", "t": 0.5, "attempt": 1, "text": "slow"})
