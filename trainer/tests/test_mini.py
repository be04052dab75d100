import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from conftest import JobFolder, environment, stop


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> str:
    """SHA-256 of the last checkpoint of a run that nothing disturbed."""
    job = JobFolder(tmp_path_factory.mktemp("uninterrupted"))
    assert job.supervise(job.mini()).wait(60) == 0
    return sha256(job.newest_checkpoint())


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def fields(event: dict[str, Any]) -> set[str]:
    return set(event) - {"v", "type", "t", "attempt"}


def test_a_run_leaves_the_files_of_the_contract(job: JobFolder) -> None:
    assert job.supervise(job.mini()).wait(60) == 0
    assert sorted(path.name for path in job.folder.iterdir()) == [
        "checkpoints",
        "exit.json",
        "lock",
        "owner.json",
        "progress.jsonl",
        "trainer.log",
    ]
    assert [path.name for path in sorted((job.folder / "checkpoints").glob("*.pth"))] == [
        "e001-i000010.pth",
        "e002-i000020.pth",
        "e003-i000030.pth",
    ]


def test_events_carry_the_fields_of_the_contract(job: JobFolder) -> None:
    job.supervise(job.mini()).wait(60)
    kinds = [one["type"] for one in job.events()]
    epoch = ["step"] * 10 + ["checkpoint", "validation"]
    assert kinds == ["started", *epoch, *epoch, *epoch, "ended"]
    [started] = job.events("started")
    assert fields(started) == {
        *("fence", "epoch", "iteration", "iterationsPerEpoch", "epochs", "worldSize", "device", "resumedFrom", "pids"),
        "versions",
    }
    assert (started["fence"], started["iterationsPerEpoch"], started["epochs"]) == (10, 10, 3)
    assert fields(job.events("step")[0]) == {
        *("epoch", "iteration", "loss", "losses", "lr", "stepSeconds", "dataSeconds", "etaSeconds", "memoryMb"),
    }
    assert [(one["epoch"], one["iteration"]) for one in job.events("step")][9:11] == [(1, 10), (2, 11)]
    assert fields(job.events("checkpoint")[0]) == {"file", "epoch", "iteration", "bytes", "sha256", "seconds"}
    assert set(job.events("validation")[0]["bbox"]) == {"AP", "AP50", "AP75", "APs", "APm", "APl"}
    assert fields(job.events("ended")[0]) == {"reason", "epoch", "iteration"}


def test_steps_are_logged_as_often_as_the_plan_says_and_at_each_epochs_end(job: JobFolder) -> None:
    job.plan["logEverySteps"] = 4
    job.supervise(job.mini()).wait(60)
    assert [one["iteration"] for one in job.events("step")] == [4, 8, 10, 12, 16, 20, 24, 28, 30]


@pytest.mark.parametrize("step", [13, 20, 21])
def test_a_run_that_is_killed_and_resumed_ends_with_the_same_state(
    job: JobFolder, step: int, uninterrupted: str
) -> None:
    assert job.supervise(job.mini("--kill-at-step", str(step))).wait(60) == 1
    resume = job.newest_checkpoint()
    faulty_once = ["--kill-at-step", str(step), "--fault-attempt", "1"]
    assert job.supervise(job.mini("--resume", str(resume), *faulty_once), attempt=2).wait(60) == 0
    assert sha256(job.newest_checkpoint()) == uninterrupted
    assert job.events("started")[1]["resumedFrom"] == resume.name


def test_a_stop_saves_in_the_middle_of_an_epoch_and_repeats_no_step(job: JobFolder, uninterrupted: str) -> None:
    supervisor = job.supervise(job.mini("--step-seconds", "0.05"))
    job.wait_for_step(13)
    assert stop(supervisor) == 143
    resume = job.newest_checkpoint()
    assert job.supervise(job.mini("--resume", str(resume)), attempt=2).wait(60) == 0
    assert [one["iteration"] for one in job.events("step")] == list(range(1, 31))
    assert sha256(job.newest_checkpoint()) == uninterrupted


def test_a_validation_that_a_crash_cut_off_is_made_up_first(job: JobFolder) -> None:
    job.supervise(job.mini("--kill-at-step", "21")).wait(60)
    progress = job.folder / "progress.jsonl"
    lines = progress.read_text().splitlines(keepends=True)
    progress.write_text("".join(lines[:-1]))
    assert json.loads(lines[-1])["type"] == "validation"
    assert job.supervise(job.mini("--resume", str(job.newest_checkpoint())), attempt=2).wait(60) == 0
    second = [one for one in job.events() if one["attempt"] == 2]
    assert [one["type"] for one in second[:3]] == ["started", "validation", "step"]
    assert second[1]["epoch"] == 2


def test_a_resume_of_a_finished_run_has_finished(job: JobFolder) -> None:
    job.supervise(job.mini()).wait(60)
    assert job.supervise(job.mini("--resume", str(job.newest_checkpoint())), attempt=2).wait(60) == 0
    assert [one["type"] for one in job.events() if one["attempt"] == 2] == ["started", "ended"]


def test_a_damaged_checkpoint_is_refused(job: JobFolder) -> None:
    job.supervise(job.mini()).wait(60)
    job.newest_checkpoint().write_bytes(b"{}")
    assert job.supervise(job.mini("--resume", str(job.newest_checkpoint())), attempt=2).wait(60) == 1
    assert "is damaged" in job.exit()["rootCause"]["message"]


def test_faults_end_as_asked(job: JobFolder) -> None:
    assert job.supervise(job.mini("--fail-at-step", "3", "--fail-code", "7")).wait(60) == 1
    assert (job.exit()["code"], job.events("step")[-1]["iteration"]) == (7, 2)
    job.supervise(job.mini("--nan-at-step", "5", "--fault-attempt", "2"), attempt=2).wait(60)
    losses = [one["loss"] is None for one in job.events("step") if one["attempt"] == 2]
    assert losses == [False] * 4 + [True] * 26


def test_a_plan_with_mistakes_is_refused_with_all_of_them(job: JobFolder) -> None:
    job.plan |= {"epochs": 0, "seed": "x", "checkpoint": {"everyMinutes": True, "keepLast": 1}}
    del job.plan["planHash"]
    end = subprocess.run(job.mini(), env=environment(), capture_output=True, text=True)
    assert end.returncode == 1
    for problem in (
        "expected planHash to be some text, got None",
        "expected epochs to be a whole number of at least 1, got 0",
        "expected seed to be a whole number of at least 0, got 'x'",
        "expected checkpoint.everyMinutes to be a number above 0, got True",
        "expected checkpoint.keepLast to be a whole number of at least 2, got 1",
    ):
        assert problem in end.stderr


def test_an_unknown_command_names_the_known_ones() -> None:
    end = subprocess.run(
        [sys.executable, "-m", "everswin_trainer", "mini-chess"], env=environment(), capture_output=True, text=True
    )
    assert end.returncode == 2
    assert "expected the command to be one of supervise, train, test" in end.stderr
