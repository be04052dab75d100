"""Compares four ranks on gloo, as on a machine with four GPUs, with a single rank."""

import json
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from forked import finish, start_ranks
from gradients import compare_gradients
from real_job import TRAIN_IMAGES, RealJob
from sample_recorder import digest

from conftest import TRAINER
from everswin_trainer.data.dataset import PreparedData
from everswin_trainer.job.plan import Plan
from everswin_trainer.model import mmcv_ops
from everswin_trainer.model.recipe import load_recipe

RANKS = 4
SEED = 5


class FourRanks(RealJob):
    def __init__(self, root: Path, data: Path) -> None:
        super().__init__(root, data, RANKS, TRAINER / "tests/recipes/watched-demo.py")
        self.plan |= {"seed": SEED, "loaderWorkers": 0}


@pytest.fixture(scope="module")
def stepped(data: Path, tmp_path_factory: pytest.TempPathFactory) -> FourRanks:
    """Runs four ranks and stops them after a few steps."""
    job = FourRanks(tmp_path_factory.mktemp("four"), data)
    ranks = job.fork(*job.training())
    job.wait_for_step(3)
    for rank in ranks:
        rank.process.terminate()
    finish(ranks, 143)
    return job


def test_four_ranks_start_step_and_stop_together(stepped: FourRanks) -> None:
    [started] = stepped.events("started")
    assert (started["worldSize"], len(set(started["pids"]))) == (RANKS, RANKS)
    assert started["iterationsPerEpoch"] == TRAIN_IMAGES // RANKS
    steps = [one["iteration"] for one in stepped.events("step")]
    assert steps == list(range(1, len(steps) + 1))
    assert all(one["loss"] > 0 for one in stepped.events("step"))
    assert stepped.newest_checkpoint().stem == f"e000-i{steps[-1]:06}"


def test_ranks_together_read_the_images_of_one_rank_with_the_total_batch(stepped: FourRanks) -> None:
    annotations = json.loads((stepped.data / "ready/train.json").read_text())
    images = [one["id"] for one in annotations["images"]]
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(SEED)).tolist()
    steps = len(stepped.events("step"))
    expected = [[images[index] for index in order[step * RANKS : (step + 1) * RANKS]] for step in range(steps)]
    assert [[image for rank in step for image in rank["images"]] for step in recorded_steps(stepped)] == expected


def test_read_parts_yields_the_tensors_that_the_ranks_train_on(stepped: FourRanks) -> None:
    mmcv_ops.install()
    from everswin_trainer.training.first_images import configure, read_parts

    plan = Plan.load(stepped.plan_file)
    config = configure(plan, load_recipe(stepped.recipe, plan), PreparedData.at(stepped.data / "ready"))
    trained = [rank["digest"] for step in recorded_steps(stepped) for rank in step]
    parts = [digest(part) for _, part in islice(read_parts(config, plan.seed), len(trained))]
    assert parts == trained and len(set(parts)) >= 3 * RANKS


def recorded_steps(job: FourRanks) -> list[tuple[dict[str, Any], ...]]:
    """Returns what each rank recorded in each step."""
    files = [job.folder / f"mmengine/samples-{rank}.jsonl" for rank in range(RANKS)]
    return list(zip(*[[json.loads(line) for line in file.read_text().splitlines()] for file in files], strict=True))


def test_reduced_gradients_equal_those_of_one_process_and_the_settings_of_ddp_change_no_bit(tmp_path: Path) -> None:
    finish(start_ranks(RANKS, tmp_path / "output", compare_gradients, tmp_path, 4), 0)
    for rank in range(RANKS):
        differences = json.loads((tmp_path / f"{rank}.json").read_text())
        assert differences["reduced"] <= 1e-6
        assert differences["unreduced"] > 1e-2
        assert differences["changed"] == 0
