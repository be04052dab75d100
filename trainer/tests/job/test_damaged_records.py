"""Records that are valid JSON but lack fields or have wrong types: a bad disk or a person changed them."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import PLAN, JobFolder
from everswin_trainer.checkpoints.checkpoint import list_checkpoints
from everswin_trainer.checkpoints.interval import estimate_epoch_seconds, seconds_between_saves
from everswin_trainer.evaluation.half_precision import format_difference
from everswin_trainer.gpu.devices import CPU, Gpu
from everswin_trainer.gpu.lease import find_holders, try_acquire
from everswin_trainer.gpu.queue import Ticket, request_state, waiting_requests
from everswin_trainer.job.control import TrainerControl
from everswin_trainer.job.folder import Job, living_owner
from everswin_trainer.job.heartbeat import read_heartbeats
from everswin_trainer.job.outcome import decide_reason
from everswin_trainer.job.plan import Plan
from everswin_trainer.job.progress import ProgressReader, box_average_precision, newest_request
from everswin_trainer.job.root_cause import read_error
from everswin_trainer.supervisor.ranks import Ranks

pytestmark = pytest.mark.off_contract

WRONG: list[Any] = [None, True, -1, 1.5, 10**400, float("inf"), "text", "\0", [], [[]], {}, {"message": 1}]


def damages(value: Any) -> Iterator[Any]:
    """Yields copies of `value` in which one value, at any depth, is wrong or missing."""
    yield from WRONG
    if isinstance(value, dict):
        for key, item in value.items():
            yield {name: other for name, other in value.items() if name != key}
            yield from ({**value, key: damaged} for damaged in damages(item))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from (value[:index] + [damaged] + value[index + 1 :] for damaged in damages(item))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> JobFolder:
    """A job that has finished: its files are the samples."""
    job = JobFolder(tmp_path_factory.mktemp("finished"))
    assert job.supervise(job.fake_training("--step-seconds", "0")).wait(60) == 0
    return job


def test_damaged_events_are_skipped(finished: JobFolder, tmp_path: Path) -> None:
    events, path = finished.events(), tmp_path / "progress.jsonl"
    started, validation, ended = events[0], finished.events("validation")[-1], events[-1]
    plan = Plan.load(finished.plan_file)
    samples = {event["type"]: event for event in [*events, {**started, "type": "warning", "message": "text"}]}
    variants = [damaged for event in samples.values() for damaged in damages(event)]
    for damaged in variants:
        lines = [json.dumps(one, separators=(",", ":")) for one in [started, damaged, validation, ended]]
        path.write_text("\n".join(lines) + "\n")
        reader = ProgressReader(path)
        read = reader.events()
        assert len(read) + reader.count_unusable_lines() == 4
        scores = box_average_precision(read)
        newest_request(read)
        seconds_between_saves(plan, read, 0.1, estimate_epoch_seconds(read))
        decide_reason(0, True, read)
        for position in scores:
            format_difference(read, position, validation)


def test_deeply_nested_record_is_unusable(tmp_path: Path) -> None:
    (tmp_path / "progress.jsonl").write_text("[" * 100_000 + "\n")
    reader = ProgressReader(tmp_path / "progress.jsonl")
    assert (reader.events(), reader.count_unusable_lines()) == ([], 1)


@pytest.mark.parametrize("name", ["owner.json", "control.json", "error.json", "checkpoints/e001-i000010.json"])
def test_damaged_record_ends_no_reader(finished: JobFolder, tmp_path: Path, name: str) -> None:
    samples = {
        "control.json": {"epochs": 3, "checkpointNow": 1, "learningRateFactor": 0.5, "fp32": True, "accumulate": 1},
        "error.json": {"message": {"message": "RuntimeError: x", "extraInfo": {"timestamp": "1", "py_callstack": ""}}},
    }
    shutil.copytree(finished.folder, tmp_path / "train")
    job, plan = Job.at(tmp_path / "train"), Plan.load(finished.plan_file)
    sample = samples.get(name) or json.loads((job.folder / name).read_text())
    for damaged in damages(sample):
        (job.folder / name).write_text(json.dumps(damaged))
        living_owner(job)
        TrainerControl.load(job, plan)
        read_error(job.error)
        list_checkpoints(job.checkpoints, PLAN["planHash"])


def test_damaged_heartbeat_is_left_out(tmp_path: Path) -> None:
    job = Job.at(tmp_path)
    job.heartbeats.mkdir()
    for content in ["", "\0" * 64, "1 step", "x step 1", f"{10**30} step 1", f"{2**22 + 1} step 1", "1 step 1 1"]:
        (job.heartbeats / "0").write_text(content)
        assert read_heartbeats(job) == []
    Ranks(job, 1, 0).watch(read_heartbeats(job))


def test_damaged_lease_or_ticket_blocks_no_other_run(tmp_path: Path) -> None:
    job, gpu = Job.at(tmp_path / "run/train"), Gpu(CPU, 0, CPU, 0)
    ticket = Ticket.issue(tmp_path, 1, 0.0, {"run": "a", "gpus": 1, "of": [CPU]})
    later = Ticket.issue(tmp_path, 2, 0.0, {"run": "b", "gpus": 1, "of": [CPU]})
    for damaged in damages({"run": "a", "gpus": 1, "of": [CPU], "job": "/nowhere", "pid": 1}):
        ticket.path.write_text(json.dumps(damaged))
        for request in later.ahead():
            assert set(request["of"]) is not None
        for request in waiting_requests(tmp_path):
            request_state(request)
        (tmp_path / f"{CPU}.lock").write_text(json.dumps(damaged))
        for holder in find_holders(tmp_path):
            holder.state()
        lease, _ = try_acquire(tmp_path, [gpu], 1, job)
        assert lease is not None
        lease.release()
