"""Runs real MMDetection under real torchrun: the demo recipe on a few of its images."""

import json
import math
import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import torch
from forked import Fork, start_ranks
from own_data import prepare_mini

from conftest import CONTROL, TRAINER, JobFolder, environment
from everswin_trainer.__main__ import main
from everswin_trainer.job.folder import Attempt, Job
from everswin_trainer.model.recipe import fingerprint, load_recipe
from everswin_trainer.system.proc_strings import RESERVED_ENV
from everswin_trainer.system.process_tree import WORKER_ENV

RECIPE = TRAINER.parent / "configs/mmdet/cascade-mask-rcnn_swin-demo.py"
ANNOTATIONS = "annotations_trainval2017.zip"
TRAIN_IMAGES, VAL_IMAGES = 20, 6
# Shorter than the defaults, so that a rank without heartbeats is detected.
WATCHED = ["startup=120", "step=60", "validation=60", "saving=60"]


class RealJob(JobFolder):
    """A run of 2 epochs with one image per rank and step; `data` contains the prepared data set and the weights."""

    def __init__(self, root: Path, data: Path, ranks: int = 2, recipe: Path = RECIPE) -> None:
        super().__init__(root)
        self.data, self.ranks, self.recipe = data, ranks, recipe
        self.plan |= {"recipe": {"name": recipe.stem, "sha256": fingerprint(load_recipe(recipe, None))}}
        self.plan |= {"epochs": 2, "gpus": ranks, "batchPerGpu": 1, "loaderWorkers": 1}

    def torchrun(self, *command: str) -> list[str]:
        nodes = ["--standalone", "--nproc-per-node", str(self.ranks), "--max-restarts", "0"]
        return self.ranked(nodes, *command)

    def ranked(self, launch: list[str], *command: str) -> list[str]:
        return [sys.executable, "-m", "torch.distributed.run", *launch, "-m", "everswin_trainer", *self.argv(*command)]

    def argv(self, *command: str) -> list[str]:
        inputs = ["--plan", str(self.plan_file), "--recipe", str(self.recipe), "--data", str(self.data / "ready")]
        return [*command, *inputs, "--job-dir", str(self.folder), "--device", "cpu"]

    def fork(self, *command: str, attempt: int = 1, run: Callable[[list[str]], int] = main) -> list[Fork]:
        """Starts the ranks of a command as forks, without launcher and supervisor."""
        variables = Attempt(attempt, attempt).environment(Job.at(self.folder))
        return start_ranks(self.ranks, self.root / "output", run, self.argv(*command), **variables)

    def train(self, attempt: int, resume: Path | None = None, *switches: str) -> subprocess.Popen[str]:
        return self.supervise(self.torchrun(*self.training(resume), *switches), attempt, grace=60, stall=WATCHED)

    def stand_by(self) -> subprocess.Popen[str]:
        """Starts a standby, as the worker does."""
        options = ["--job-dir", str(self.folder), "--device", "cpu", "--ranks", str(self.ranks), "--", "-" * 32_768]
        return subprocess.Popen(
            [sys.executable, "-m", "everswin_trainer", "standby", *options],
            env={**environment(), RESERVED_ENV: "-" * 8192, WORKER_ENV: str(os.getpid())},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def take(self, standby: subprocess.Popen[str], attempt: int, resume: Path) -> None:
        """Lets a standby train."""
        assert standby.stdin and standby.stdout
        attempt_argv = self.attempt(self.torchrun(*self.training(resume)), attempt, 60, WATCHED)
        argv = ["-m", "everswin_trainer", "supervise", *attempt_argv]
        assert standby.stdout.readline() == "ready\n"
        standby.stdin.write(json.dumps({"argv": argv, "env": {}}) + "\n")
        standby.stdin.close()
        assert standby.stdout.readline() == "taken\n"

    def training(self, resume: Path | None = None) -> list[str]:
        weights = ["--weights", str(self.data / "swin_mini_patch4_window7_224.pth")]
        return ["train", *weights, *(["--resume", str(resume)] if resume else [])]

    def control(self, **values: Any) -> None:
        """Writes the control file atomically, as the worker does."""
        self.folder.mkdir(exist_ok=True)
        (self.folder / "control.new").write_text(json.dumps({**CONTROL, "epochs": self.plan["epochs"], **values}))
        (self.folder / "control.new").rename(self.folder / "control.json")

    def checkpoint(self, name: str) -> Path:
        return self.folder / "checkpoints" / f"{name}.pth"

    def saves(self, name: str) -> bool:
        """Returns whether this checkpoint is being written or exists."""
        return any((self.folder / "checkpoints").glob(f"*{name}*"))

    def of_attempt(self, attempt: int, kind: str | None = None) -> list[dict[str, Any]]:
        return [event for event in self.events(kind) if event["attempt"] == attempt]

    def losses(self) -> dict[int, float]:
        return {event["iteration"]: event["loss"] for event in self.events("step")}

    def hashes(self) -> dict[int, dict[str, Any]]:
        """Returns the hashes of each epoch."""
        names = ("samples", "random", "weights", "optimizer")
        return {event["epoch"]: {name: event[name] for name in names} for event in self.events("epoch")}

    def final_state(self) -> dict[str, Any]:
        return torch.load(self.checkpoint("e002-i000020"), weights_only=True)

    def log_tail(self) -> str:
        return (self.folder / "trainer.log").read_text()[-4000:]


def die_in_evaluation(argv: list[str]) -> int:
    """Runs a command whose rank 0 is killed in the middle of pycocotools' evaluation."""
    from pycocotools.cocoeval import COCOeval

    if os.environ["RANK"] == "0":
        COCOeval.accumulate = lambda _evaluation: os.kill(os.getpid(), signal.SIGKILL)
    return main(argv)


def diverge(argv: list[str]) -> int:
    """Runs a training whose losses are NaN from its second step on."""
    from mmdet.models.detectors import CascadeRCNN

    steps, loss = count(), CascadeRCNN.loss

    def poisoned(detector: CascadeRCNN, *batch: Any) -> dict[str, Any]:
        losses = loss(detector, *batch)
        return {**losses, "loss_rpn_cls": [one * math.nan for one in losses["loss_rpn_cls"]]} if next(steps) else losses

    CascadeRCNN.loss = poisoned
    return main(argv)


def make_data(root: Path) -> None:
    """Prepares a subset of the miniature COCO, with its images inside archives."""
    command = [sys.executable, "-m", "everswin_trainer", "mini-coco", "--out", str(root)]
    subprocess.run(command, env=environment(), check=True, capture_output=True)
    contents = {}
    with zipfile.ZipFile(root / ANNOTATIONS) as archive:
        for split, count in (("train", TRAIN_IMAGES), ("val", VAL_IMAGES)):
            name = f"annotations/instances_{split}2017.json"
            content = contents[name] = json.loads(archive.read(name))
            shown = {annotation["image_id"] for annotation in content["annotations"]}
            content["images"] = [image for image in content["images"] if image["id"] in shown][:count]
            kept = {image["id"] for image in content["images"]}
            content["annotations"] = [
                annotation for annotation in content["annotations"] if annotation["image_id"] in kept
            ]
    with zipfile.ZipFile(root / ANNOTATIONS, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, json.dumps(content))
    assert prepare_mini(root, root / "ready")["ok"]
