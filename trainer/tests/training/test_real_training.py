"""Trains the demo's recipe on a few images with real MMDetection, on two ranks with loader workers.

Ranks are forks (forked.py) where neither torchrun nor the supervisor matters.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import pytest
import torch
from forked import finish, start_command
from PIL import Image
from pycocotools.coco import COCO
from real_job import RECIPE, TRAIN_IMAGES, VAL_IMAGES, WATCHED, RealJob, die_in_evaluation
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from conftest import PROGRAMS, environment, stop, until
from contract import check_answer
from everswin_trainer.job.root_cause import make_root_cause
from everswin_trainer.system.hashing import hash_file

RANKS = 2
# One image per rank and step.
STEPS_PER_EPOCH = TRAIN_IMAGES // RANKS


class FastJob(RealJob):
    """A run with all switches that may change the last bits of a result and need neither a GPU nor a compiler.

    Without groupBySize, after whose first epoch this tiny model detects nothing (test_fewer_gpus.py resumes with it).
    """

    def __init__(self, root: Path, data: Path) -> None:
        super().__init__(root, data)
        switches = ("sdpaAttention", "fusedAdamW", "channelsLast")
        self.plan["speed"] = {**self.plan["speed"], **dict.fromkeys(switches, True)}


class RealHosts(FastJob):
    """The same run on two hosts with one rank each."""

    def folder_of(self, host: str) -> Path:
        return self.folder / "hosts" / host

    def start(self, attempt: int, resume: Path | None = None) -> list[subprocess.Popen[bytes]]:
        endpoint = f"127.0.0.1:{free_port()}"
        return [self.start_on(host, attempt, endpoint, resume) for host in ("a", "b")]

    def start_on(self, host: str, attempt: int, endpoint: str, resume: Path | None) -> subprocess.Popen[bytes]:
        rendezvous = ["--nnodes", "2", "--rdzv-backend", "c10d", "--rdzv-endpoint", endpoint, "--rdzv-id", str(attempt)]
        own_host = ["--rdzv-conf", f"is_host={int(host == 'a')}", "--local-addr", "127.0.0.1", "--nproc-per-node", "1"]
        program = self.ranked([*rendezvous, *own_host, "--max-restarts", "0"], *self.training(resume))
        ours = ["--job-dir", str(self.folder_of(host)), "--run-dir", str(self.folder), "--attempt", str(attempt)]
        ours += ["--fence", str(attempt), "--grace-seconds", "60", "--stall-seconds", *WATCHED]
        gpus = ["--gpu-folder", str(self.root / f"gpus-{host}"), "--device", "cpu", "--parent-pid", str(os.getpid())]
        hosts = ["--hosts", str(self.folder_of("a")), str(self.folder_of("b"))]
        command = [sys.executable, "-m", "everswin_trainer", "supervise", *ours, *gpus, *hosts, "--", *program]
        return subprocess.Popen(command, env=environment(), start_new_session=True)

    def rank_on(self, host: str) -> int:
        [heartbeat] = (self.folder_of(host) / "heartbeats").iterdir()
        return int(heartbeat.read_text().split()[0])

    def logs(self) -> str:
        return "\n".join(path.read_text()[-4000:] for path in self.folder.rglob("*.log"))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@pytest.fixture(scope="module")
def uninterrupted(data: Path, tmp_path_factory: pytest.TempPathFactory) -> RealJob:
    job = FastJob(tmp_path_factory.mktemp("uninterrupted"), data)
    assert job.train(1).wait(240) == 0, job.log_tail()
    return job


@pytest.fixture(scope="module")
def interrupted(data: Path, tmp_path_factory: pytest.TempPathFactory) -> RealJob:
    """Run that is stopped in epoch 1, killed during a save in epoch 2, loses a validation, and is then completed.

    Unlike the uninterrupted run, it has the switch that must not change a bit, and a standby becomes the second
    supervisor.
    """
    job = FastJob(tmp_path_factory.mktemp("interrupted"), data)
    job.plan["speed"] = {**job.plan["speed"], "fewerSyncs": True}
    standby = job.stand_by()
    supervisor = job.train(1)
    job.wait_for_step(3)
    assert stop(supervisor) == 143, job.log_tail()

    job.take(standby, 2, job.newest_checkpoint())
    job.wait_for_step(STEPS_PER_EPOCH + 3)
    job.control(checkpointNow=1)
    pids = job.of_attempt(2, "started")[0]["pids"]
    until(lambda: job.saves("e001-i00001[1-9]"), "the requested checkpoint")
    os.kill(pids[0], signal.SIGKILL)
    assert standby.wait(120) == 1
    assert job.exit()["rootCause"] | {"message": None, "at": None} == make_root_cause(
        rank=0, pid=pids[0], signal="SIGKILL"
    )
    assert job.living() == []

    progress = job.folder / "progress.jsonl"
    lines = progress.read_text().splitlines(keepends=True)
    progress.write_text("".join(line for line in lines if '"type":"validation"' not in line))
    finish(job.fork(*job.training(job.checkpoint("e001-i000010")), attempt=3), 0)
    return job


@pytest.fixture(scope="module")
def controlled(uninterrupted: RealJob, data: Path, tmp_path_factory: pytest.TempPathFactory) -> RealJob:
    """Run that resumes epoch 1 of the uninterrupted run with twice the batch, 1 epoch and all control values."""
    job = RealJob(tmp_path_factory.mktemp("controlled"), data)
    job.plan |= {"planHash": "1" * 64, "batchPerGpu": 2, "epochs": 1}
    job.control(epochs=3, checkpointNow=0, learningRateFactor=0.5, fp32=True, accumulate=2)
    resume = job.training(uninterrupted.checkpoint("e001-i000010"))
    ranks = job.fork(*resume, "--resume-plan", uninterrupted.plan["planHash"])
    job.wait_for_step(STEPS_PER_EPOCH // 2 + 1)
    job.control(epochs=2, checkpointNow=7, learningRateFactor=0.1, fp32=True, accumulate=1)
    finish(ranks, 0)
    return job


@pytest.fixture(scope="module")
def detector(uninterrupted: RealJob, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Last checkpoint of a run, converted like any other detector file."""
    into = tmp_path_factory.mktemp("detector") / "detector"
    files = ["--recipe", str(RECIPE), "--weights", str(uninterrupted.newest_checkpoint())]
    outputs = ["--into", str(into), "--out", f"{into}.json"]
    finish([start_command(into.parent, "convert-weights", "--part", "detector", *files, *outputs)], 0)
    answer = json.loads(Path(f"{into}.json").read_text())
    assert (answer["ok"], answer["classes"]) == (True, 3), answer
    return Path(answer["result"]["path"])


@pytest.fixture(scope="module")
def evaluated(detector: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> RealJob:
    """Final test of the converted detector."""
    job = RealJob(tmp_path_factory.mktemp("evaluated"), data)
    finish(job.fork("test", "--weights", str(detector)), 0)
    return job


def test_a_run_validates_and_saves_each_epoch_and_warns_of_deviations_from_the_recipe(
    uninterrupted: RealJob,
) -> None:
    kinds = [one["type"] for one in uninterrupted.events() if one["type"] not in ("epoch", "checkpoint")]
    epoch = ["step"] * STEPS_PER_EPOCH + ["validation"]
    assert kinds == ["warning", "warning", "started", *epoch, *epoch, "ended"]
    assert [one["epoch"] for one in uninterrupted.events("epoch")] == [1, 2]
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


def test_a_save_blocks_training_only_while_it_copies(uninterrupted: RealJob) -> None:
    for saved in uninterrupted.events("checkpoint"):
        assert 0 < saved["blockedSeconds"] < saved["seconds"]
        assert saved["checkpointNow"] == 0


def test_tensorboard_shows_each_step_and_validation_once_after_a_kill_and_resume(interrupted: RealJob) -> None:
    accumulator = EventAccumulator(str(interrupted.folder / "tensorboard"))
    accumulator.Reload()
    losses = {one.step: one.value for one in accumulator.Scalars("train/loss")}
    assert list(losses) == list(range(1, 2 * STEPS_PER_EPOCH + 1))
    assert len(accumulator.Scalars("train/loss")) == len(losses)
    assert losses == pytest.approx(interrupted.losses())
    last = {one["iteration"]: one["bbox"]["AP"] for one in interrupted.events("validation")}
    assert {one.step: one.value for one in accumulator.Scalars("validation/box_AP")} == pytest.approx(last)


def test_a_validation_event_has_its_duration(uninterrupted: RealJob) -> None:
    last_step, validation = uninterrupted.events("step")[-1], uninterrupted.events("validation")[-1]
    assert 0 < validation["seconds"] < validation["t"] - last_step["t"]


def test_each_rank_sends_heartbeats_until_the_end(uninterrupted: RealJob) -> None:
    heartbeats = {path.name: path.read_text().split() for path in (uninterrupted.folder / "heartbeats").iterdir()}
    [started] = uninterrupted.events("started")
    assert [int(heartbeats[str(rank)][0]) for rank in range(RANKS)] == started["pids"]
    # Rank 0 ends with a save, the others with a validation. Each step and each image sends at least one heartbeat.
    assert [heartbeats[str(rank)][1] for rank in range(RANKS)] == ["saving", "validation"]
    assert all(int(one[2]) > 2 * (STEPS_PER_EPOCH + VAL_IMAGES // RANKS) for one in heartbeats.values())


def test_the_second_rank_writes_its_own_log(uninterrupted: RealJob) -> None:
    [log] = (uninterrupted.folder / "ranks").iterdir()
    [started] = uninterrupted.events("started")
    assert log.name == f"{started['fence']}-rank-1.log"
    assert log.read_text().startswith(f"rank 1, pid {started['pids'][1]}, host ")


def test_mmengine_writes_no_checkpoints(uninterrupted: RealJob) -> None:
    paths = sorted(path.relative_to(uninterrupted.folder).as_posix() for path in uninterrupted.folder.rglob("*.pth"))
    assert paths == ["checkpoints/e001-i000010.pth", "checkpoints/e002-i000020.pth"]


def test_checkpoints_contain_no_path_and_no_config_text(uninterrupted: RealJob) -> None:
    content = (uninterrupted.folder / "checkpoints/e002-i000020.pth").read_bytes()
    for forbidden in (str(uninterrupted.data), str(uninterrupted.root), sys.prefix, "train_dataloader"):
        assert forbidden.encode() not in content


def test_a_stop_saves_immediately_in_the_middle_of_an_epoch(interrupted: RealJob) -> None:
    saved, ended = interrupted.of_attempt(1)[-2:]
    assert (saved["type"], ended["type"], ended["reason"]) == ("checkpoint", "ended", "preempted")
    assert (saved["iteration"], ended["iteration"]) == (interrupted.of_attempt(1, "step")[-1]["iteration"],) * 2
    assert saved["epoch"] == 0
    assert 3 <= saved["iteration"] < STEPS_PER_EPOCH
    assert interrupted.of_attempt(2, "started")[0]["resumedFrom"] == saved["file"]


def test_all_ranks_end_soon_after_one_dies(interrupted: RealJob) -> None:
    last_step = interrupted.of_attempt(2, "step")[-1]["t"]
    # torchrun alone would wait 30 s for the other rank.
    assert interrupted.exit()["endedAt"] - last_step < 28


def test_a_missed_validation_runs_before_the_next_step(interrupted: RealJob) -> None:
    kinds = [one["type"] for one in interrupted.of_attempt(3)]
    assert kinds[:3] == ["started", "validation", "step"]
    assert [one["epoch"] for one in interrupted.events("validation")] == [1, 2]


def test_a_killed_save_leaves_no_files(interrupted: RealJob) -> None:
    names = {path.name for path in (interrupted.folder / "checkpoints").iterdir()}
    assert all(name.endswith((".pth", ".json")) for name in names)
    assert {path.replace(".json", ".pth") for path in names} <= names


def test_the_interrupted_run_repeats_the_steps_of_the_uninterrupted_one(
    interrupted: RealJob, uninterrupted: RealJob
) -> None:
    assert interrupted.losses() == uninterrupted.losses()


def test_the_interrupted_run_ends_with_equal_weights_optimizer_and_schedule_bit_for_bit(
    interrupted: RealJob, uninterrupted: RealJob
) -> None:
    ours, theirs = interrupted.final_state(), uninterrupted.final_state()
    assert ours["state_dict"].keys() == theirs["state_dict"].keys()
    differing = [key for key, one in ours["state_dict"].items() if not torch.equal(one, theirs["state_dict"][key])]
    assert differing == []
    for number, state in ours["optimizer"]["state"].items():
        for name, value in state.items():
            assert torch.equal(value, theirs["optimizer"]["state"][number][name]), (number, name)
    assert ours["param_schedulers"] == theirs["param_schedulers"]
    assert ours["meta"] == theirs["meta"]
    for kind in ("bbox", "segm"):
        assert interrupted.events("validation")[-1][kind] == uninterrupted.events("validation")[-1][kind]


def test_the_interrupted_run_records_the_hashes_of_the_uninterrupted_one(
    interrupted: RealJob, uninterrupted: RealJob
) -> None:
    ours, theirs = interrupted.hashes(), uninterrupted.hashes()
    assert ours == theirs
    first, second = theirs.values()
    assert [len(first[name]) for name in ("samples", "random")] == [RANKS, RANKS]
    assert first["samples"][0] != first["samples"][1]
    assert not {first["weights"], first["optimizer"], *first["samples"]} & {second["weights"], *second["samples"]}


def test_training_saves_and_stops_at_the_given_iteration(uninterrupted: RealJob, data: Path, tmp_path: Path) -> None:
    job = FastJob(tmp_path, data)
    resume = job.training(uninterrupted.checkpoint("e001-i000010"))
    finish(job.fork(*resume, "--until", "14"), 143)
    assert [one["type"] for one in job.events()] == [
        "warning",
        "warning",
        "started",
        *["step"] * 4,
        "checkpoint",
        "ended",
    ]
    finish(job.fork(*job.training(job.newest_checkpoint()), "--until", "20", attempt=2), 143)
    assert job.events("ended")[-1]["iteration"] == 20
    assert job.events("validation") == []
    losses = uninterrupted.losses()
    assert job.losses() == {step: losses[step] for step in range(11, 21)}
    assert job.hashes() == {2: uninterrupted.hashes()[2]}


def test_two_hosts_equal_one_host_bit_for_bit_after_a_rank_is_killed(
    uninterrupted: RealJob, data: Path, tmp_path: Path
) -> None:
    hosts = RealHosts(tmp_path, data)
    supervisors = hosts.start(1, uninterrupted.checkpoint("e001-i000010"))
    hosts.wait_for_step(STEPS_PER_EPOCH + 3)
    os.kill(hosts.rank_on("b"), signal.SIGKILL)
    assert [one.wait(120) for one in supervisors] == [1, 1]
    supervisors = hosts.start(2, uninterrupted.checkpoint("e001-i000010"))
    assert [one.wait(240) for one in supervisors] == [0, 0], hosts.logs()
    [first, second] = hosts.events("started")
    assert (first["worldSize"], second["resumedFrom"]) == (RANKS, "e001-i000010.pth")
    losses = uninterrupted.losses()
    assert hosts.losses() == {step: losses[step] for step in range(STEPS_PER_EPOCH + 1, 2 * STEPS_PER_EPOCH + 1)}
    ours, theirs = hosts.final_state()["state_dict"], uninterrupted.final_state()["state_dict"]
    assert [key for key, one in ours.items() if not torch.equal(one, theirs[key])] == []


def test_resuming_a_finished_run_ends_immediately(uninterrupted: RealJob) -> None:
    finish(uninterrupted.fork(*uninterrupted.training(uninterrupted.newest_checkpoint()), attempt=2), 0)
    assert [one["type"] for one in uninterrupted.of_attempt(2)] == ["started", "ended"]


def test_inference_is_not_repeated_after_the_evaluation_dies(uninterrupted: RealJob, data: Path) -> None:
    job = RealJob(uninterrupted.root / "other", data)
    job.root.mkdir()
    job.plan = uninterrupted.plan
    command = ["test", "--checkpoint", str(uninterrupted.newest_checkpoint())]
    finish(job.fork(*command, run=die_in_evaluation)[:1], -signal.SIGKILL)
    tested = job.events("tested")
    assert (tested[-1]["done"], tested[-1]["total"]) == (VAL_IMAGES, VAL_IMAGES)
    assert (job.folder / "detections.json").exists()
    assert not (job.folder / "metrics.json").exists()

    finish(job.fork(*command, attempt=2), 0)
    assert [one["type"] for one in job.of_attempt(2)] == ["started", "ended"]
    metrics = json.loads((job.folder / "metrics.json").read_text())
    assert metrics["images"] == VAL_IMAGES
    validation = uninterrupted.events("validation")[-1]
    for kind in ("bbox", "segm"):
        for name, score in validation[kind].items():
            # Compares the scores of hotcoco with those of pycocotools for the same weights.
            assert metrics[kind][name] == (None if score is None else pytest.approx(score, abs=1e-6))
    analysis = json.loads((job.folder / "analysis.json").read_text())
    assert analysis["checkpointSha256"] == metrics["checkpointSha256"]
    assert len(analysis["gallery"]) == VAL_IMAGES
    assert [one["step"] for one in analysis["trainingBatch"]["images"]] == [1, 1, 2, 2, 3, 3, 4, 4]
    assert (job.folder / "bootstrap.json").exists()


def test_a_converted_detector_is_tested_without_training_and_scores_as_its_checkpoint(
    detector: Path, uninterrupted: RealJob, evaluated: RealJob
) -> None:
    job = evaluated
    metrics = json.loads((job.folder / "metrics.json").read_text())
    assert (metrics["checkpoint"], metrics["checkpointSha256"]) == (detector.name, hash_file(detector))
    assert metrics["images"] == VAL_IMAGES
    for kind in ("bbox", "segm"):
        for name, score in uninterrupted.events("validation")[-1][kind].items():
            assert metrics[kind][name] == (None if score is None else pytest.approx(score, abs=1e-6))
    [started] = job.events("started")
    assert (started["epoch"], started["iteration"], started["resumedFrom"]) == (0, 0, detector.name)
    assert job.events("ended")[-1]["reason"] == "finished"


def test_mmdetection_alone_and_predict_give_the_detections_of_the_final_test(
    detector: Path, evaluated: RealJob, mini_files: dict[str, bytes], tmp_path: Path
) -> None:
    annotations = evaluated.data / "ready/val.json"
    truth = json.loads(annotations.read_bytes())
    names = {image["id"]: image["file_name"] for image in truth["images"]}
    expected: dict[str, list[dict[str, Any]]] = {name: [] for name in names.values()}
    for one in json.loads((evaluated.folder / "detections.bbox.json").read_bytes()):
        expected[names[one["image_id"]]].append(one)
    assert sum(map(len, expected.values())) > VAL_IMAGES
    images = tmp_path / "images"
    images.mkdir()
    for name in expected:
        (images / name).write_bytes(mini_files[name])
    classes = [one["name"] for one in truth["categories"]]
    spec = {"v": 1, "title": "test", "recipe": str(RECIPE), "weights": str(detector), "classes": classes}
    spec |= {"categoryIds": None, "annotations": str(annotations), "card": "# test"}
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    folder = tmp_path / "detector"
    outputs = ["--into", str(folder), "--out", str(tmp_path / "exported.json")]
    finish([start_command(tmp_path, "export-detector", "--spec", str(tmp_path / "spec.json"), *outputs)], 0)

    # MMDetection without this project: isolated from PYTHONPATH, and the program refuses to import it.
    program = [sys.executable, "-I", str(PROGRAMS / "stock_mmdetection.py"), str(folder), str(tmp_path / "stock.json")]
    paths = [str(images / name) for name in expected]
    subprocess.run([*program, *paths], check=True, cwd=tmp_path, env=environment(), capture_output=True)
    stock = json.loads((tmp_path / "stock.json").read_bytes())
    assert stock["classes"] == [classes, classes]
    ids = check_answer("export-detector", tmp_path / "exported.json")["categoryIds"]
    for name, ours in expected.items():
        for kind in ("inferencer", "init_detector"):
            theirs = stock["found"][name][kind]
            assert [ids[label] for label in theirs["labels"]] == [one["category_id"] for one in ours]
            assert theirs["scores"] == pytest.approx([one["score"] for one in ours], abs=1e-4)
            for (x1, y1, x2, y2), one in zip(theirs["bboxes"], ours, strict=True):
                assert [x1, y1, x2 - x1, y2 - y1] == pytest.approx(one["bbox"], abs=1e-4)

    turned = next(iter(expected))
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by 90 degrees
    with Image.open(images / turned) as image:
        image.save(images / "turned.jpg", exif=exif)
        width, height = image.size
    (images / "damaged.jpg").write_bytes(mini_files[turned][:500])
    (tmp_path / "images.json").write_text(json.dumps([str(images), str(tmp_path / "missing.jpg")]))
    (tmp_path / "results").mkdir()
    sources = ["--detector", str(folder), "--images", str(tmp_path / "images.json"), "--score", "0", "--device", "cpu"]
    outputs = ["--into", str(tmp_path / "results"), "--out", str(tmp_path / "predicted.json")]
    finish([start_command(tmp_path, "predict", *sources, *outputs)], 0)
    answer = check_answer("predict", tmp_path / "predicted.json")
    assert answer["skipped"] == [
        {"file": str(tmp_path / "missing.jpg"), "reason": "does not exist"},
        {"file": "damaged.jpg", "reason": "is truncated"},
    ]
    assert all((tmp_path / "results" / one["picture"]).exists() for one in answer["images"])
    # Ids have a meaning: pycocotools reads both files together.
    coco = COCO(tmp_path / "results/images.json")
    results = coco.loadRes(str(tmp_path / "results/results.json"))
    sizes = {one["file_name"]: (one["width"], one["height"]) for one in coco.imgs.values()}
    assert sizes["turned.jpg"] == (height, width)
    drawn = cv2.imread(str(tmp_path / "results/pictures/turned.jpg"))
    assert drawn.shape[0] / drawn.shape[1] == pytest.approx(width / height, abs=0.02)
    for one in coco.imgs.values():
        found = sorted(results.imgToAnns[one["id"]], key=lambda detection: -detection["score"])
        if one["file_name"] in expected:
            ours = sorted(expected[one["file_name"]], key=lambda detection: -detection["score"])
            assert [detection["score"] for detection in found] == pytest.approx([d["score"] for d in ours], abs=1e-4)
            assert {d["category_id"] for d in found} == {d["category_id"] for d in ours}


def test_training_starts_from_a_converted_detector(
    detector: Path, uninterrupted: RealJob, data: Path, tmp_path: Path
) -> None:
    job = RealJob(tmp_path, data)
    ranks = job.fork("train", "--init-detector", str(detector))
    job.wait_for_step(1)
    for rank in ranks:
        rank.process.terminate()
    finish(ranks, 143)
    [started] = job.events("started")
    assert (started["epoch"], started["iteration"], started["resumedFrom"]) == (0, 0, None)
    losses = uninterrupted.losses()
    # The first batch is the same, but the weights have been trained for two epochs.
    assert job.losses()[1] < (losses[1] + losses[2 * STEPS_PER_EPOCH]) / 2


def test_training_refuses_a_number_of_ranks_that_differs_from_the_plan(data: Path, tmp_path: Path) -> None:
    job = RealJob(tmp_path, data)
    job.plan["gpus"] = 1
    ranks = job.fork(*job.training())
    finish(ranks, 1)
    assert "expected 1 ranks as the plan says, got 2" in ranks[0].stderr.read_text()


def test_a_checkpoint_of_another_plan_counts_iterations_of_the_new_plan(controlled: RealJob) -> None:
    [started] = controlled.events("started")
    assert (started["epoch"], started["iteration"], started["iterationsPerEpoch"], started["epochs"]) == (1, 5, 5, 3)
    assert [one["iteration"] for one in controlled.events("step")] == [6, 7, 8, 9, 10]
    assert [(one["epoch"], one["iteration"]) for one in controlled.events("validation")] == [(1, 5), (2, 10)]


def test_a_request_to_stop_after_the_epoch_ends_with_its_validation(controlled: RealJob) -> None:
    assert controlled.events()[-1]["type"] == "ended"
    assert (controlled.events("ended")[-1]["reason"], controlled.events("ended")[-1]["epoch"]) == ("finished", 2)


def test_a_requested_checkpoint_is_saved_in_the_middle_of_an_epoch(controlled: RealJob) -> None:
    first, *_, last = controlled.events("checkpoint")
    assert 6 <= first["iteration"] <= 9, "the request came after step 6"
    assert (first["epoch"], first["checkpointNow"]) == (1, 7)
    assert (last["epoch"], last["iteration"], last["checkpointNow"]) == (2, 10, 7)


def test_a_requested_learning_rate_factor_keeps_the_schedule(controlled: RealJob, uninterrupted: RealJob) -> None:
    expected = [one["lr"] * 0.5 for one in uninterrupted.events("step")[STEPS_PER_EPOCH : STEPS_PER_EPOCH + 5]]
    assert [one["lr"] for one in controlled.events("step")] == pytest.approx(expected)
    saved = torch.load(controlled.newest_checkpoint(), weights_only=True)["meta"]
    assert saved["learning_rate_factor"] == 0.5, "a later change takes effect at the next start"


def test_requested_settings_cause_warnings(controlled: RealJob) -> None:
    messages = [one["message"] for one in controlled.events("warning")]
    assert [one for one in messages if one.endswith("as requested")] == [
        "trains with 0.5 times the recipe's learning rate, as requested",
        "trains in fp32 instead of mixed precision: as requested",
        "accumulates the gradients of 2 parts of each batch, as requested",
    ]
