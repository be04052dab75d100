"""Trains on four gloo ranks, then on two, then on four again, killed in between, as if GPUs failed and returned."""

import os
import signal
from pathlib import Path

import pytest
import torch
from forked import Fork, finish
from real_job import RealJob

from conftest import until

PLANNED, LEFT = 4, 2
# 20 images, one per planned rank and step.
STEPS_PER_EPOCH = 5
# Sums of gradients round differently, and AdamW enlarges that where a gradient is nearly zero.
TOLERANCE = 2e-4


class ShrinkingJob(RealJob):
    """The demo recipe with a plan of four ranks, of which `ranks` train."""

    def __init__(self, root: Path, data: Path) -> None:
        super().__init__(root, data, PLANNED)
        self.plan |= {"seed": 5, "loaderWorkers": 0, "validationBatch": 2}
        # Its order of images must not depend on the number of ranks that train.
        self.plan["speed"] = {**self.plan["speed"], "groupBySize": True}

    def start(self, attempt: int, ranks: int, resume: Path | None = None) -> list[Fork]:
        self.ranks = ranks
        self.control(gpus=ranks)
        return self.fork(*self.training(resume), attempt=attempt)

    def kill_after(self, ranks: list[Fork], step: int, request: int) -> Path:
        """Requests a checkpoint after `step`, then kills all ranks with SIGKILL; returns the checkpoint."""
        self.wait_for_step(step)
        self.control(gpus=self.ranks, checkpointNow=request)
        until(lambda: any(one["checkpointNow"] == request for one in self.events("checkpoint")), "the checkpoint")
        for rank in ranks:
            os.kill(rank.process.pid or 0, signal.SIGKILL)
        finish(ranks, -signal.SIGKILL)
        return self.checkpoint(Path(self.events("checkpoint")[-1]["file"]).stem)


@pytest.fixture(scope="module")
def planned(data: Path, tmp_path_factory: pytest.TempPathFactory) -> ShrinkingJob:
    job = ShrinkingJob(tmp_path_factory.mktemp("planned"), data)
    finish(job.start(1, PLANNED), 0)
    return job


@pytest.fixture(scope="module")
def shrunk(data: Path, tmp_path_factory: pytest.TempPathFactory) -> ShrinkingJob:
    job = ShrinkingJob(tmp_path_factory.mktemp("shrunk"), data)
    first = job.kill_after(job.start(1, PLANNED), 2, request=1)
    second = job.kill_after(job.start(2, LEFT, first), STEPS_PER_EPOCH + 1, request=2)
    finish(job.start(3, PLANNED, second), 0)
    return job


@pytest.fixture(scope="module")
def alone(data: Path, tmp_path_factory: pytest.TempPathFactory) -> ShrinkingJob:
    """Trains one epoch on the last GPU that is left."""
    job = ShrinkingJob(tmp_path_factory.mktemp("alone"), data)
    job.plan |= {"epochs": 1, "planHash": job.plan["planHash"]}
    finish(job.start(1, 1), 0)
    return job


def largest_difference(one: RealJob, other: RealJob, checkpoint: str) -> float:
    first, second = (torch.load(job.checkpoint(checkpoint), weights_only=True)["state_dict"] for job in (one, other))
    assert first.keys() == second.keys()
    return max((first[name] - second[name]).abs().max().item() for name in first)


def test_weights_equal_those_of_all_gpus_after_gpus_failed_and_returned(
    planned: ShrinkingJob, shrunk: ShrinkingJob
) -> None:
    assert [one["worldSize"] for one in shrunk.events("started")] == [PLANNED, LEFT, PLANNED]
    assert {one["iterationsPerEpoch"] for one in shrunk.events("started")} == {STEPS_PER_EPOCH}
    assert largest_difference(planned, shrunk, "e002-i000010") < TOLERANCE


def test_weights_of_one_gpu_equal_those_of_all_gpus(planned: ShrinkingJob, alone: ShrinkingJob) -> None:
    assert largest_difference(planned, alone, "e001-i000005") < TOLERANCE
