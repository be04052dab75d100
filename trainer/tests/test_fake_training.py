import hashlib
import json
import random
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from conftest import CONTROL, JobFolder, environment, list_valid_checkpoints, stop, until
from everswin_trainer.checkpoints.checkpoint import list_checkpoints
from everswin_trainer.system.atomic_file import write_json
from everswin_trainer.system.process_tree import kill_processes
from fake_trainer.state import batches_of_epoch


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> str:
    """SHA-256 of the last checkpoint of an uninterrupted run."""
    job = JobFolder(tmp_path_factory.mktemp("uninterrupted"))
    assert job.supervise(job.fake_training()).wait(60) == 0
    return sha256(job.newest_checkpoint())


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def fields(event: dict[str, Any]) -> set[str]:
    return set(event) - {"v", "type", "t", "attempt"}


def test_run_creates_the_files_of_the_contract(job: JobFolder) -> None:
    assert job.supervise(job.fake_training()).wait(60) == 0
    assert sorted(path.name for path in job.folder.iterdir() if path.name != "ballast") == [
        "checkpoints",
        "exit.json",
        "heartbeats",
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


def test_events_have_the_fields_of_the_contract(job: JobFolder) -> None:
    job.supervise(job.fake_training()).wait(60)
    kinds = [event["type"] for event in job.events()]
    epoch = ["step"] * 10 + ["validation"]
    # Epochs and checkpoints are written in the background and reported when they exist.
    in_background = ("epoch", "checkpoint")
    assert [kind for kind in kinds if kind not in in_background] == ["started", *epoch, *epoch, *epoch, "ended"]
    assert [kind for kind in kinds if kind in in_background] == [*in_background] * 3
    [started] = job.events("started")
    assert fields(started) == {
        *("fence", "epoch", "iteration", "iterationsPerEpoch", "epochs", "worldSize", "device", "resumedFrom", "pids"),
        *("versions", "planHash", "control"),
    }
    assert (started["fence"], started["iterationsPerEpoch"], started["epochs"]) == (10, 10, 3)
    assert fields(job.events("step")[0]) == {
        *("epoch", "iteration", "loss", "losses", "lr", "stepSeconds", "dataSeconds", "etaSeconds", "memoryMb"),
        *("imagesPerSecond", "mfu"),
    }
    assert [(event["epoch"], event["iteration"]) for event in job.events("step")][9:11] == [(1, 10), (2, 11)]
    assert fields(job.events("epoch")[0]) == {"epoch", "iteration", "samples", "random", "weights", "optimizer"}
    assert fields(job.events("checkpoint")[0]) == {
        *("file", "epoch", "iteration", "bytes", "sha256", "seconds", "blockedSeconds"),
        *("checkpointNow", "intervalSeconds"),
    }
    assert fields(job.events("validation")[0]) == {"epoch", "iteration", "seconds", "bbox", "segm"}
    assert set(job.events("validation")[0]["bbox"]) == {"AP", "AP50", "AP75", "APs", "APm", "APl"}
    assert fields(job.events("ended")[0]) == {"reason", "epoch", "iteration"}


def test_run_logs_steps_at_the_interval_of_the_plan_and_at_epoch_ends(job: JobFolder) -> None:
    job.plan["logEverySteps"] = 4
    job.supervise(job.fake_training()).wait(60)
    assert [event["iteration"] for event in job.events("step")] == [4, 8, 10, 12, 16, 20, 24, 28, 30]


@pytest.mark.parametrize("step", [13, 20, 21])
def test_resumed_run_reaches_the_same_state_when_killed(job: JobFolder, step: int, uninterrupted: str) -> None:
    assert job.supervise(job.fake_training("--kill-at-step", str(step))).wait(60) == 1
    resume = job.newest_checkpoint()
    faulty_once = ["--kill-at-step", str(step), "--fault-attempt", "1"]
    assert job.supervise(job.fake_training("--resume", str(resume), *faulty_once), attempt=2).wait(60) == 0
    assert sha256(job.newest_checkpoint()) == uninterrupted
    assert job.events("started")[1]["resumedFrom"] == resume.name


def test_stop_saves_mid_epoch_and_repeats_no_step(job: JobFolder, uninterrupted: str) -> None:
    supervisor = job.supervise(job.fake_training("--step-seconds", "0.05"))
    job.wait_for_step(13)
    assert stop(supervisor) == 143
    resume = job.newest_checkpoint()
    assert job.supervise(job.fake_training("--resume", str(resume)), attempt=2).wait(60) == 0
    assert [event["iteration"] for event in job.events("step")] == list(range(1, 31))
    assert sha256(job.newest_checkpoint()) == uninterrupted


def test_resume_validates_first_when_a_crash_interrupted_the_validation(job: JobFolder) -> None:
    job.supervise(job.fake_training("--kill-at-step", "21")).wait(60)
    progress = job.folder / "progress.jsonl"
    lines = progress.read_text().splitlines(keepends=True)
    validations = [line for line in lines if json.loads(line)["type"] == "validation"]
    progress.write_text("".join(line for line in lines if line != validations[-1]))
    assert job.supervise(job.fake_training("--resume", str(job.newest_checkpoint())), attempt=2).wait(60) == 0
    second = [event for event in job.events() if event["attempt"] == 2]
    assert [event["type"] for event in second[:3]] == ["started", "validation", "step"]
    assert second[1]["epoch"] == 2


def test_resume_finishes_at_once_when_the_run_had_finished(job: JobFolder) -> None:
    job.supervise(job.fake_training()).wait(60)
    assert job.supervise(job.fake_training("--resume", str(job.newest_checkpoint())), attempt=2).wait(60) == 0
    assert [event["type"] for event in job.events() if event["attempt"] == 2] == ["started", "ended"]


def test_resume_refuses_a_damaged_checkpoint(job: JobFolder) -> None:
    job.supervise(job.fake_training()).wait(60)
    job.newest_checkpoint().write_bytes(b"{}")
    assert job.supervise(job.fake_training("--resume", str(job.newest_checkpoint())), attempt=2).wait(60) == 1
    assert "is damaged" in job.exit()["rootCause"]["message"]


def test_injected_fault_exits_with_the_requested_code(job: JobFolder) -> None:
    assert job.supervise(job.fake_training("--fail-at-step", "3", "--fail-code", "7")).wait(60) == 1
    assert (job.exit()["code"], job.events("step")[-1]["iteration"]) == (7, 2)


def control(job: JobFolder, **values: Any) -> None:
    """Writes the control file as the worker does."""
    job.folder.mkdir(exist_ok=True)
    write_json(job.folder / "control.json", {**CONTROL, **values})


def resuming(job: JobFolder, *switches: str) -> list[str]:
    """Resumes from the newest checkpoint with a manifest, as the worker does: a kill may leave a file without one."""
    newest = max((job.folder / "checkpoints").glob("*.json")).with_suffix(".pth")
    return job.fake_training("--resume", str(newest), *switches)


def intact_iterations(job: JobFolder) -> list[int]:
    """Returns the iterations of the checkpoints, all of which must match their manifests."""
    found = list_valid_checkpoints(job.folder / "checkpoints", job.plan["planHash"])
    assert found == list_checkpoints(job.folder / "checkpoints", job.plan["planHash"])
    return [checkpoint.iteration for checkpoint in found]


@pytest.mark.parametrize("step", [4, 10, 17, 29])
def test_resume_mid_epoch_continues_with_the_next_samples(job: JobFolder, step: int, uninterrupted: str) -> None:
    # An interval so short that a checkpoint follows nearly every step.
    job.plan["checkpoint"]["everyMinutes"] = 1e-6
    assert job.supervise(job.fake_training("--kill-at-step", str(step))).wait(60) == 1
    assert intact_iterations(job)[0] == step - 1
    assert job.supervise(resuming(job), attempt=2).wait(60) == 0
    assert [event["iteration"] for event in job.events("step")] == list(range(1, 31))
    assert sha256(job.newest_checkpoint()) == uninterrupted


def test_previous_checkpoint_survives_a_kill_during_a_save(job: JobFolder, uninterrupted: str) -> None:
    fault = ["--kill-while-saving", "20", "--fault-attempt", "1"]
    assert job.supervise(job.fake_training(*fault)).wait(60) == 1
    assert intact_iterations(job) == [10]
    assert job.supervise(resuming(job, *fault), attempt=2).wait(60) == 0
    assert intact_iterations(job) == [30, 20, 10]
    assert sha256(job.newest_checkpoint()) == uninterrupted


def test_run_keeps_an_intact_checkpoint_when_killed_at_random(job: JobFolder, uninterrupted: str) -> None:
    job.plan["checkpoint"] = {"everyMinutes": 1e-6, "keepLast": 2}
    delays, reached = random.Random(1), 0
    for attempt in range(1, 12):
        from_start = resuming(job) if intact_iterations(job) else job.fake_training()
        supervisor = job.supervise(from_start, attempt)
        until(lambda number=attempt: any(event["attempt"] == number for event in job.events("started")), "the start")
        time.sleep(delays.uniform(0, 0.15))
        kill_processes(job.living())
        supervisor.wait(60)
        assert max(intact_iterations(job), default=0) >= reached
        reached = max(intact_iterations(job), default=0)
        reported = [event["iteration"] for event in job.events("checkpoint")]
        assert max(reported, default=0) <= reached
    assert reached > 0
    assert job.supervise(resuming(job), attempt=99).wait(60) == 0
    assert sha256(job.newest_checkpoint()) == uninterrupted


def test_validation_runs_while_the_checkpoint_is_written(job: JobFolder) -> None:
    job.plan["epochs"] = 2
    assert job.supervise(job.fake_training("--save-seconds", "0.5", "--validation-seconds", "1")).wait(60) == 0
    for saved, validated in zip(job.events("checkpoint"), job.events("validation"), strict=True):
        assert saved["seconds"] - saved["blockedSeconds"] >= 0.5
        assert validated["t"] - validated["seconds"] < saved["t"] < validated["t"]


def test_run_ends_after_its_last_checkpoint_is_written(job: JobFolder) -> None:
    job.plan["epochs"] = 1
    assert job.supervise(job.fake_training("--save-seconds", "0.5")).wait(60) == 0
    kinds = [event["type"] for event in job.events() if event["type"] != "epoch"]
    assert kinds[-3:] == ["validation", "checkpoint", "ended"]


def test_stop_waits_for_its_checkpoint(job: JobFolder) -> None:
    supervisor = job.supervise(job.fake_training("--step-seconds", "0.05", "--save-seconds", "0.5"))
    job.wait_for_step(3)
    assert stop(supervisor) == 143
    saved, ended = job.events()[-2:]
    assert (saved["type"], saved["iteration"]) == ("checkpoint", ended["iteration"])
    assert intact_iterations(job) == [ended["iteration"]]


def test_next_attempt_repeats_a_validation_that_a_stop_interrupted(job: JobFolder) -> None:
    supervisor = job.supervise(job.fake_training("--validation-seconds", "30", "--fault-attempt", "2"))
    until(lambda: job.events("checkpoint"), "the checkpoint")
    assert stop(supervisor) == 143
    assert job.events("ended")[0]["iteration"] == 10
    assert job.supervise(resuming(job), attempt=2).wait(60) == 0
    assert [event["epoch"] for event in job.events("validation")] == [1, 2, 3]


def test_run_ends_with_the_error_of_a_failed_save(job: JobFolder) -> None:
    job.folder.mkdir()
    (job.folder / "checkpoints").write_text("in the way")
    assert job.supervise(job.fake_training()).wait(60) == 1
    assert job.exit()["rootCause"]["message"].startswith("FileExistsError")


def test_auto_interval_is_at_least_two_minutes(job: JobFolder) -> None:
    job.plan["checkpoint"]["everyMinutes"] = "auto"
    assert job.supervise(job.fake_training()).wait(60) == 0
    assert intact_iterations(job) == [30, 20, 10]


def test_epochs_can_be_added_during_training(job: JobFolder) -> None:
    supervisor = job.supervise(job.fake_training("--step-seconds", "0.03"))
    job.wait_for_step(1)
    control(job, epochs=5)
    assert supervisor.wait(60) == 0
    assert job.events("ended")[0]["iteration"] == 50
    assert [event["epoch"] for event in job.events("validation")] == [1, 2, 3, 4, 5]


def test_epochs_can_be_removed_during_training(job: JobFolder) -> None:
    supervisor = job.supervise(job.fake_training("--step-seconds", "0.1"))
    job.wait_for_step(11)
    control(job, epochs=1)
    assert supervisor.wait(60) == 0
    assert (job.events("ended")[0]["epoch"], job.events("validation")[-1]["epoch"]) == (2, 2)


def test_finished_run_continues_when_epochs_are_added(job: JobFolder, uninterrupted: str) -> None:
    assert job.supervise(job.fake_training()).wait(60) == 0
    assert sha256(job.newest_checkpoint()) == uninterrupted
    control(job, epochs=4)
    assert job.supervise(resuming(job), attempt=2).wait(60) == 0
    assert (job.events("started")[1]["epochs"], job.events("ended")[1]["iteration"]) == (4, 40)


def test_requested_checkpoint_is_saved_at_once_and_only_once(job: JobFolder) -> None:
    supervisor = job.supervise(job.fake_training("--step-seconds", "0.1"))
    job.wait_for_step(2)
    control(job, checkpointNow=1)
    ordered = until(lambda: job.events("checkpoint"), "the checkpoint")[0]
    assert (ordered["checkpointNow"], ordered["epoch"]) == (1, 0)
    assert ordered["iteration"] < 10
    job.wait_for_step(13)
    assert stop(supervisor) == 143
    # The request was served before, so it is not served again.
    assert job.supervise(resuming(job), attempt=2).wait(60) == 0
    second = [event["iteration"] for event in job.events("checkpoint") if event["attempt"] == 2]
    assert second == [20, 30]
    assert all(event["checkpointNow"] == 1 for event in job.events("checkpoint"))


def test_pending_request_is_served_after_the_first_step(job: JobFolder) -> None:
    control(job, checkpointNow=2)
    assert job.supervise(job.fake_training()).wait(60) == 0
    assert [(event["iteration"], event["checkpointNow"]) for event in job.events("checkpoint")] == [
        (1, 2),
        (10, 2),
        (20, 2),
        (30, 2),
    ]


def test_learning_rate_changes_the_weights(job: JobFolder, uninterrupted: str) -> None:
    control(job, learningRateFactor=0.5)
    assert job.supervise(job.fake_training()).wait(60) == 0
    assert sha256(job.newest_checkpoint()) != uninterrupted
    assert job.events("step")[0]["lr"] == 0.5e-4


def test_gradient_accumulation_keeps_the_weights(job: JobFolder, uninterrupted: str) -> None:
    control(job, accumulate=4, fp32=True)
    assert job.supervise(job.fake_training()).wait(60) == 0
    assert sha256(job.newest_checkpoint()) == uninterrupted


def test_diverged_training_fails_and_saves_no_checkpoint(job: JobFolder) -> None:
    job.plan["checkpoint"]["everyMinutes"] = 1e-6
    assert job.supervise(job.fake_training("--nan-at-step", "15")).wait(60) == 1
    message = "training diverged: the loss was not finite in steps 15-19"
    assert job.exit()["rootCause"]["message"] == f"FloatingPointError: {message}"
    assert [event["iteration"] for event in job.events("step") if event["loss"] is None] == [15, 16, 17, 18, 19]
    assert intact_iterations(job)[0] == 14
    assert "not saved at step 15: the weights are not finite" in [event["message"] for event in job.events("warning")]


def test_lower_learning_rate_prevents_divergence(job: JobFolder) -> None:
    assert job.supervise(job.fake_training("--nan-at-step", "15")).wait(60) == 1
    control(job, learningRateFactor=0.5)
    assert job.supervise(resuming(job, "--nan-at-step", "15"), attempt=2).wait(60) == 0
    assert all(event["loss"] is not None for event in job.events("step") if event["attempt"] == 2)


def test_gradient_accumulation_prevents_out_of_memory(job: JobFolder, uninterrupted: str) -> None:
    assert job.supervise(job.fake_training("--oom-at-step", "15")).wait(60) == 1
    message = job.exit()["rootCause"]["message"]
    assert message == "RuntimeError: CUDA out of memory. Tried to allocate 2.00 GiB."
    control(job, accumulate=2)
    assert job.supervise(resuming(job, "--oom-at-step", "15"), attempt=2).wait(60) == 0
    assert sha256(job.newest_checkpoint()) == uninterrupted


def test_resume_accepts_a_foreign_plan_only_when_named(job: JobFolder) -> None:
    assert job.supervise(job.fake_training("--kill-at-step", "25")).wait(60) == 1
    theirs = job.plan["planHash"]
    job.plan["planHash"] = "1" * 64
    assert job.supervise(resuming(job, "--steps-per-epoch", "5"), attempt=2).wait(60) == 1
    assert "to belong to plan 111" in job.exit()["rootCause"]["message"]
    named = resuming(job, "--steps-per-epoch", "5", "--resume-plan", theirs)
    assert job.supervise(named, attempt=3).wait(60) == 0
    assert [event["iteration"] for event in job.events("step") if event["attempt"] == 3] == [11, 12, 13, 14, 15]


def test_each_epoch_shuffles_all_samples() -> None:
    first, second = (batches_of_epoch(7, epoch, count=5, size=4) for epoch in (0, 1))
    assert [len(batch) for batch in first] == [4] * 5
    for epoch in (first, second):
        assert sorted(index for batch in epoch for index in batch) == list(range(20))
    assert first != second != batches_of_epoch(8, 1, count=5, size=4)
    assert first == batches_of_epoch(7, 0, count=5, size=4)


@pytest.mark.off_contract
def test_plan_is_refused_with_all_its_problems(job: JobFolder) -> None:
    job.plan |= {"epochs": -1, "seed": "x", "checkpoint": {"everyMinutes": True, "keepLast": 1}}
    del job.plan["planHash"]
    end = subprocess.run(job.fake_training(), env=environment(), capture_output=True, text=True)
    assert end.returncode == 1
    for problem in (
        "expected planHash to be a non-empty string, got None",
        "expected epochs to be an integer of at least 0, got -1",
        "expected seed to be an integer of at least 0, got 'x'",
        'expected checkpoint.everyMinutes to be a number above 0 or "auto", got True',
        "expected checkpoint.keepLast to be an integer of at least 2, got 1",
    ):
        assert problem in end.stderr
