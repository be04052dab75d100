"""Real MMDetection, real torchrun: the demo's recipe on a few of its images, on two ranks with loader workers."""

import json
import os
import signal
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from own_data import prepare_mini
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from conftest import PROGRAMS, TRAINER, JobFolder, environment, stop, until
from everswin_trainer.checkpoint import hash_file
from everswin_trainer.recipe import fingerprint, load_recipe

RECIPE = TRAINER.parent / "configs/mmdet/cascade-mask-rcnn_swin-demo.py"
RANKS = 2
ANNOTATIONS = "annotations_trainval2017.zip"
# 20 images on 2 ranks, one each a step.
TRAIN_IMAGES, VAL_IMAGES, STEPS_PER_EPOCH = 20, 6, 10
# Shorter than the defaults: a rank that gave no signs would be found here.
WATCHED = ["startup=120", "step=60", "validation=60", "saving=60"]


class RealJob(JobFolder):
    """A run of the demo's recipe; `data` holds the prepared data set and the weights."""

    def __init__(self, root: Path, data: Path) -> None:
        super().__init__(root)
        self.data = data
        self.plan |= {"recipe": {"name": RECIPE.stem, "sha256": fingerprint(load_recipe(RECIPE, None))}}
        self.plan |= {"epochs": 2, "gpus": RANKS, "batchPerGpu": 1, "loaderWorkers": 1}

    def torchrun(self, *command: str) -> list[str]:
        launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(RANKS), "--max-restarts", "0"]
        inputs = ["--plan", str(self.plan_file), "--recipe", str(RECIPE), "--data", str(self.data / "ready")]
        place = ["--job-dir", str(self.folder), "--device", "cpu"]
        return [sys.executable, *launch, "-m", "everswin_trainer", *command, *inputs, *place]

    def train(self, attempt: int, resume: Path | None = None, *switches: str) -> subprocess.Popen[str]:
        weights = ["--weights", str(self.data / "swin_mini_patch4_window7_224.pth")]
        resumed = ["--resume", str(resume)] if resume else []
        return self.supervise(self.torchrun("train", *weights, *resumed, *switches), attempt, grace=60, stall=WATCHED)

    def order(self, **orders: Any) -> None:
        """As the worker does: the file appears whole."""
        self.folder.mkdir(exist_ok=True)
        (self.folder / "orders.new").write_text(json.dumps({"v": 1, **orders}))
        (self.folder / "orders.new").rename(self.folder / "orders.json")

    def checkpoint(self, name: str) -> Path:
        return self.folder / "checkpoints" / f"{name}.pth"

    def saves(self, name: str) -> bool:
        """Whether this checkpoint is being written, or was."""
        return any((self.folder / "checkpoints").glob(f"*{name}*"))

    def of_attempt(self, attempt: int, kind: str | None = None) -> list[dict[str, Any]]:
        return [one for one in self.events(kind) if one["attempt"] == attempt]

    def losses(self) -> dict[int, float]:
        return {one["iteration"]: one["loss"] for one in self.events("step")}

    def final_state(self) -> dict[str, Any]:
        return torch.load(self.checkpoint("e002-i000020"), weights_only=True)

    def log_tail(self) -> str:
        return (self.folder / "trainer.log").read_text()[-4000:]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A part of the miniature COCO, its images inside their archives."""
    root = tmp_path_factory.mktemp("mini-coco")
    command = [sys.executable, "-m", "everswin_trainer", "mini-coco", "--out", str(root)]
    subprocess.run(command, env=environment(), check=True, capture_output=True)
    contents = {}
    with zipfile.ZipFile(root / ANNOTATIONS) as archive:
        for split, count in (("train", TRAIN_IMAGES), ("val", VAL_IMAGES)):
            name = f"annotations/instances_{split}2017.json"
            content = contents[name] = json.loads(archive.read(name))
            shown = {one["image_id"] for one in content["annotations"]}
            content["images"] = [one for one in content["images"] if one["id"] in shown][:count]
            kept = {one["id"] for one in content["images"]}
            content["annotations"] = [one for one in content["annotations"] if one["image_id"] in kept]
    with zipfile.ZipFile(root / ANNOTATIONS, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, json.dumps(content))
    assert prepare_mini(root, root / "ready")["ok"]
    return root


@pytest.fixture(scope="module")
def uninterrupted(data: Path, tmp_path_factory: pytest.TempPathFactory) -> RealJob:
    job = RealJob(tmp_path_factory.mktemp("uninterrupted"), data)
    assert job.train(1).wait(240) == 0, job.log_tail()
    return job


@pytest.fixture(scope="module")
def disturbed(data: Path, tmp_path_factory: pytest.TempPathFactory) -> RealJob:
    """Stopped in the middle of epoch 1, killed in epoch 2 while it saved, the validation lost, then finished."""
    job = RealJob(tmp_path_factory.mktemp("disturbed"), data)
    supervisor = job.train(1)
    job.wait_for_step(3)
    assert stop(supervisor) == 143, job.log_tail()

    supervisor = job.train(2, job.newest_checkpoint())
    job.wait_for_step(STEPS_PER_EPOCH + 3)
    job.order(checkpointNow=1)
    pids = job.of_attempt(2, "started")[0]["pids"]
    until(lambda: job.saves("e001-i00001[1-9]"), "the ordered checkpoint")
    os.kill(pids[0], signal.SIGKILL)
    assert supervisor.wait(120) == 1

    progress = job.folder / "progress.jsonl"
    lines = progress.read_text().splitlines(keepends=True)
    progress.write_text("".join(line for line in lines if '"type":"validation"' not in line))
    assert job.train(3, job.checkpoint("e001-i000010")).wait(240) == 0, job.log_tail()
    return job


@pytest.fixture(scope="module")
def ordered(uninterrupted: RealJob, data: Path, tmp_path_factory: pytest.TempPathFactory) -> RealJob:
    """Epoch 1 of the uninterrupted run goes on under another plan, of 1 epoch and twice the batch, with all orders."""
    job = RealJob(tmp_path_factory.mktemp("ordered"), data)
    job.plan |= {"planHash": "1" * 64, "batchPerGpu": 2, "epochs": 1}
    job.order(epochs=3, checkpointNow=0, learningRateFactor=0.5, fp32=True, accumulate=2)
    supervisor = job.train(1, uninterrupted.checkpoint("e001-i000010"), "--resume-plan", uninterrupted.plan["planHash"])
    job.wait_for_step(STEPS_PER_EPOCH // 2 + 1)
    job.order(epochs=2, checkpointNow=7, learningRateFactor=0.1, fp32=True, accumulate=1)
    assert supervisor.wait(240) == 0, job.log_tail()
    return job


@pytest.fixture(scope="module")
def detector(uninterrupted: RealJob, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The last checkpoint of a run, converted as a file from anywhere."""
    into = tmp_path_factory.mktemp("detector") / "detector"
    files = ["--recipe", str(RECIPE), "--weights", str(uninterrupted.newest_checkpoint())]
    where = ["--into", str(into), "--out", f"{into}.json"]
    command = [sys.executable, "-m", "everswin_trainer", "convert-weights", "--part", "detector", *files, *where]
    subprocess.run(command, env=environment(), check=True)
    answer = json.loads(Path(f"{into}.json").read_text())
    assert (answer["ok"], answer["classes"]) == (True, 3), answer
    return Path(answer["result"]["path"])


def test_a_run_validates_and_saves_each_epoch_and_says_where_it_departs_from_its_recipe(
    uninterrupted: RealJob,
) -> None:
    kinds = [one["type"] for one in uninterrupted.events() if one["type"] != "checkpoint"]
    epoch = ["step"] * STEPS_PER_EPOCH + ["validation"]
    assert kinds == ["warning", "warning", "started", *epoch, *epoch, "ended"]
    assert [one["epoch"] for one in uninterrupted.events("checkpoint")] == [1, 2]
    [started] = uninterrupted.events("started")
    assert (started["iterationsPerEpoch"], started["worldSize"], len(started["pids"])) == (
        STEPS_PER_EPOCH,
        RANKS,
        RANKS,
    )
    assert started["versions"]["mmdet"]
    first, last = uninterrupted.events("step")[0], uninterrupted.events("step")[-1]
    assert 0 < last["loss"] < first["loss"]
    assert "s2.loss_mask" in last["losses"]
    assert (last["etaSeconds"], last["memoryMb"]) == (0, None)
    assert uninterrupted.exit()["reason"] == "finished"


def test_a_save_keeps_training_waiting_only_for_the_copy(uninterrupted: RealJob) -> None:
    for saved in uninterrupted.events("checkpoint"):
        assert 0 < saved["blockedSeconds"] < saved["seconds"]
        assert saved["order"] == 0


def test_tensorboard_has_each_step_and_validation_once_of_a_run_that_was_killed_and_resumed(disturbed: RealJob) -> None:
    found = EventAccumulator(str(disturbed.folder / "tensorboard"))
    found.Reload()
    losses = {one.step: one.value for one in found.Scalars("train/loss")}
    assert list(losses) == list(range(1, 2 * STEPS_PER_EPOCH + 1))
    assert len(found.Scalars("train/loss")) == len(losses)
    assert losses == pytest.approx(disturbed.losses())
    last = {one["iteration"]: one["bbox"]["AP"] for one in disturbed.events("validation")}
    assert {one.step: one.value for one in found.Scalars("validation/box_AP")} == pytest.approx(last)


def test_a_validation_says_how_long_it_took(uninterrupted: RealJob) -> None:
    last_step, validation = uninterrupted.events("step")[-1], uninterrupted.events("validation")[-1]
    assert 0 < validation["seconds"] < validation["t"] - last_step["t"]


def test_each_rank_gave_signs_of_progress_to_the_end(uninterrupted: RealJob) -> None:
    signs = {path.name: path.read_text().split() for path in (uninterrupted.folder / "beats").iterdir()}
    [started] = uninterrupted.events("started")
    assert [int(signs[str(rank)][0]) for rank in range(RANKS)] == started["pids"]
    # A save ends the first rank, a validation the others; at least one sign came from each step and image.
    assert [signs[str(rank)][1] for rank in range(RANKS)] == ["saving", "validation"]
    assert all(int(sign[2]) > 2 * (STEPS_PER_EPOCH + VAL_IMAGES // RANKS) for sign in signs.values())


def test_nobody_else_leaves_checkpoints(uninterrupted: RealJob) -> None:
    found = sorted(path.relative_to(uninterrupted.folder).as_posix() for path in uninterrupted.folder.rglob("*.pth"))
    assert found == ["checkpoints/e001-i000010.pth", "checkpoints/e002-i000020.pth"]


def test_a_checkpoint_holds_no_path_and_no_config_text(uninterrupted: RealJob) -> None:
    content = (uninterrupted.folder / "checkpoints/e002-i000020.pth").read_bytes()
    for forbidden in (str(uninterrupted.data), str(uninterrupted.root), sys.prefix, "train_dataloader"):
        assert forbidden.encode() not in content


def test_a_stop_saves_at_once_in_the_middle_of_the_epoch(disturbed: RealJob) -> None:
    saved, ended = disturbed.of_attempt(1)[-2:]
    assert (saved["type"], ended["type"], ended["reason"]) == ("checkpoint", "ended", "preempted")
    assert (saved["iteration"], ended["iteration"]) == (disturbed.of_attempt(1, "step")[-1]["iteration"],) * 2
    assert saved["epoch"] == 0
    assert 3 <= saved["iteration"] < STEPS_PER_EPOCH
    assert disturbed.of_attempt(2, "started")[0]["resumedFrom"] == saved["file"]


def test_a_rank_that_dies_takes_the_others_along_quickly(disturbed: RealJob) -> None:
    last_step = disturbed.of_attempt(2, "step")[-1]["t"]
    next_start = disturbed.of_attempt(3, "started")[0]["t"]
    # torchrun alone would wait 30 s for the other rank; a start takes the rest.
    assert next_start - last_step < 28


def test_a_validation_that_was_lost_is_made_up_before_the_next_step(disturbed: RealJob) -> None:
    kinds = [one["type"] for one in disturbed.of_attempt(3)]
    assert kinds[:3] == ["started", "validation", "step"]
    assert [one["epoch"] for one in disturbed.events("validation")] == [1, 2]


def test_a_save_that_was_killed_leaves_nothing_behind(disturbed: RealJob) -> None:
    names = {path.name for path in (disturbed.folder / "checkpoints").iterdir()}
    assert all(name.endswith((".pth", ".json")) for name in names)
    assert {path.replace(".json", ".pth") for path in names} <= names


def test_the_disturbed_run_did_the_very_steps_of_the_uninterrupted_one(
    disturbed: RealJob, uninterrupted: RealJob
) -> None:
    assert disturbed.losses() == uninterrupted.losses()


def test_and_ends_with_the_same_weights_optimizer_and_schedule_bit_for_bit(
    disturbed: RealJob, uninterrupted: RealJob
) -> None:
    ours, theirs = disturbed.final_state(), uninterrupted.final_state()
    assert ours["state_dict"].keys() == theirs["state_dict"].keys()
    differing = [key for key, one in ours["state_dict"].items() if not torch.equal(one, theirs["state_dict"][key])]
    assert differing == []
    for number, state in ours["optimizer"]["state"].items():
        for name, value in state.items():
            assert torch.equal(value, theirs["optimizer"]["state"][number][name]), (number, name)
    assert ours["param_schedulers"] == theirs["param_schedulers"]
    assert ours["meta"] == theirs["meta"]
    for kind in ("bbox", "segm"):
        assert disturbed.events("validation")[-1][kind] == uninterrupted.events("validation")[-1][kind]


def test_a_resume_of_the_finished_run_has_finished_at_once(uninterrupted: RealJob) -> None:
    assert uninterrupted.train(2, uninterrupted.newest_checkpoint()).wait(120) == 0
    assert [one["type"] for one in uninterrupted.of_attempt(2)] == ["started", "ended"]


def test_a_test_that_died_in_its_evaluation_never_repeats_inference(uninterrupted: RealJob, data: Path) -> None:
    job = RealJob(uninterrupted.root / "other", data)
    job.root.mkdir()
    job.plan = uninterrupted.plan
    command = job.torchrun("test", "--checkpoint", str(uninterrupted.newest_checkpoint()))
    assert job.supervise(command, 1, faults=PROGRAMS / "evaluation_dies").wait(120) == 1
    assert job.exit()["rootCause"]["signal"] == "SIGKILL"
    tested = job.events("tested")
    assert (tested[-1]["done"], tested[-1]["total"]) == (VAL_IMAGES, VAL_IMAGES)
    assert (job.folder / "detections.json").exists()
    assert not (job.folder / "metrics.json").exists()

    assert job.supervise(command, 2).wait(120) == 0, job.log_tail()
    assert [one["type"] for one in job.of_attempt(2)] == ["started", "ended"]
    metrics = json.loads((job.folder / "metrics.json").read_text())
    assert metrics["images"] == VAL_IMAGES
    validation = uninterrupted.events("validation")[-1]
    for kind in ("bbox", "segm"):
        for name, score in validation[kind].items():
            # hotcoco's, of the same weights, beside pycocotools'.
            assert metrics[kind][name] == (None if score is None else pytest.approx(score, abs=1e-6))
    assert job.exit()["reason"] == "finished"
    analysis = json.loads((job.folder / "analysis.json").read_text())
    assert analysis["checkpointSha256"] == metrics["checkpointSha256"]
    assert len(analysis["gallery"]) == VAL_IMAGES
    assert (job.folder / "bootstrap.json").exists()


def test_a_converted_detector_is_tested_without_a_training_and_measures_what_its_checkpoint_did(
    detector: Path, uninterrupted: RealJob, data: Path, tmp_path: Path
) -> None:
    job = RealJob(tmp_path, data)
    assert job.supervise(job.torchrun("test", "--weights", str(detector)), 1).wait(120) == 0, job.log_tail()
    metrics = json.loads((job.folder / "metrics.json").read_text())
    assert (metrics["checkpoint"], metrics["checkpointSha256"]) == (detector.name, hash_file(detector))
    assert metrics["images"] == VAL_IMAGES
    for kind in ("bbox", "segm"):
        for name, score in uninterrupted.events("validation")[-1][kind].items():
            assert metrics[kind][name] == (None if score is None else pytest.approx(score, abs=1e-6))
    [started] = job.events("started")
    assert (started["epoch"], started["iteration"], started["resumedFrom"]) == (0, 0, detector.name)
    assert job.exit()["reason"] == "finished"


def test_a_training_starts_from_a_converted_detector(
    detector: Path, uninterrupted: RealJob, data: Path, tmp_path: Path
) -> None:
    job = RealJob(tmp_path, data)
    supervisor = job.supervise(job.torchrun("train", "--init-detector", str(detector)), 1, grace=60, stall=WATCHED)
    job.wait_for_step(1)
    assert stop(supervisor) == 143, job.log_tail()
    [started] = job.events("started")
    assert (started["epoch"], started["iteration"], started["resumedFrom"]) == (0, 0, None)
    losses = uninterrupted.losses()
    # The same first batch, but what two epochs have taught.
    assert job.losses()[1] < (losses[1] + losses[2 * STEPS_PER_EPOCH]) / 2


def test_ranks_that_are_not_the_plans_are_refused(data: Path, tmp_path: Path) -> None:
    job = RealJob(tmp_path, data)
    job.plan["gpus"] = 1
    assert job.train(1).wait(120) == 1
    assert "expected 1 ranks as the plan says, got 2" in job.exit()["rootCause"]["message"]


def test_another_plans_checkpoint_counts_in_the_batches_of_its_new_plan(ordered: RealJob) -> None:
    [started] = ordered.events("started")
    assert (started["epoch"], started["iteration"], started["iterationsPerEpoch"], started["epochs"]) == (1, 5, 5, 3)
    assert [one["iteration"] for one in ordered.events("step")] == [6, 7, 8, 9, 10]
    assert [(one["epoch"], one["iteration"]) for one in ordered.events("validation")] == [(1, 5), (2, 10)]


def test_an_order_to_stop_after_this_epoch_ends_with_its_validation(ordered: RealJob) -> None:
    assert ordered.events()[-1]["type"] == "ended"
    assert (ordered.events("ended")[-1]["reason"], ordered.events("ended")[-1]["epoch"]) == ("finished", 2)
    assert ordered.exit()["reason"] == "finished"


def test_an_ordered_checkpoint_is_saved_in_the_middle_of_the_epoch(ordered: RealJob) -> None:
    first, *_, last = ordered.events("checkpoint")
    assert 6 <= first["iteration"] <= 9, "the order came after step 6"
    assert (first["epoch"], first["order"]) == (1, 7)
    assert (last["epoch"], last["iteration"], last["order"]) == (2, 10, 7)


def test_an_ordered_learning_rate_keeps_the_schedule(ordered: RealJob, uninterrupted: RealJob) -> None:
    expected = [one["lr"] * 0.5 for one in uninterrupted.events("step")[STEPS_PER_EPOCH : STEPS_PER_EPOCH + 5]]
    assert [one["lr"] for one in ordered.events("step")] == pytest.approx(expected)
    saved = torch.load(ordered.newest_checkpoint(), weights_only=True)["meta"]
    assert saved["learning_rate_factor"] == 0.5, "what was ordered later takes effect at the next start"


def test_what_was_ordered_is_said(ordered: RealJob) -> None:
    said = [one["message"] for one in ordered.events("warning")]
    assert [one for one in said if one.endswith("it was ordered")] == [
        "trains with 0.5 times the recipe's learning rate: it was ordered",
        "trains in fp32 instead of mixed precision: it was ordered",
        "takes each batch in 2 parts, one step for all: it was ordered",
    ]
