"""Trains the recipes with a moving average, large-scale jitter and copy-paste together, at the demo's size.

A run of two ranks with loader workers is stopped, diverges, goes back to its checkpoint and is completed. It ends with
the bits of an undisturbed one.
"""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from average_recorder import PARAMETER
from forked import finish
from real_job import RealJob, diverge
from small_recipes import shrink

from everswin_trainer.detector.export_detector import read_weights
from everswin_trainer.model.recipe import flatten

LAST = "e001-i000010"
# Reacts within ten steps; the average of the recipe needs thousands.
QUICK = {"momentum": 0.05, "gamma": 5}


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The copy-paste recipe with the hook of the recipe that averages the weights."""
    recipe = shrink("s_paper-lsj-copy-paste")
    [average] = shrink("s_paper-ema").custom_hooks
    recipe.custom_hooks = [{**average, **QUICK}, {"type": "AverageRecorder", **QUICK}]
    recipe.custom_imports = {"imports": ["average_recorder"]}
    path = tmp_path_factory.mktemp("recipe") / "averaged.py"
    path.write_text(flatten(recipe))
    return path


def new_job(root: Path, data: Path, recipe: Path) -> RealJob:
    job = RealJob(root, data, recipe=recipe)
    job.plan["epochs"] = 1
    return job


@pytest.fixture(scope="module")
def averaged(data: Path, recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> RealJob:
    job = new_job(tmp_path_factory.mktemp("averaged"), data, recipe)
    finish(job.fork(*job.training()), 0)
    return job


@pytest.fixture(scope="module")
def interrupted(data: Path, recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> RealJob:
    """Run that is stopped after its first step, diverges, and continues from the checkpoint of the stop."""
    job = new_job(tmp_path_factory.mktemp("interrupted"), data, recipe)
    # Samples do not depend on loader processes, and a stop without supervisor would leave those running.
    job.plan["loaderWorkers"] = 0
    finish(job.fork(*job.training(), "--until", "1"), 143)
    job.plan["loaderWorkers"] = 1
    saved = job.checkpoint("e000-i000001")
    finish(job.fork(*job.training(saved), attempt=2, run=diverge), 1)
    assert job.newest_checkpoint() == saved
    finish(job.fork(*job.training(saved), attempt=3), 0)
    return job


def load(job: RealJob) -> dict[str, Any]:
    return torch.load(job.checkpoint(LAST), weights_only=True)


def recorded(job: RealJob) -> dict[str, list[Any]]:
    lines = [json.loads(line) for line in (job.folder / "mmengine/averages.jsonl").read_text().splitlines()]
    return {name: [line[name] for line in lines if name in line] for name in ("trained", "validated")}


def test_a_checkpoint_holds_the_average_as_its_weights_and_the_trained_weights_next_to_it(
    averaged: RealJob,
) -> None:
    state, [trained] = load(averaged), recorded(averaged)["trained"]
    average, source = state["state_dict"][PARAMETER], state["ema_state_dict"][f"module.{PARAMETER}"]
    assert average.tolist() == pytest.approx(trained["average"], rel=1e-4)
    assert source.tolist() == trained["source"]
    assert not torch.allclose(average, source, rtol=1e-3)
    assert state["ema_state_dict"]["steps"] == 10


def test_the_average_is_validated_once_and_exported(averaged: RealJob) -> None:
    average = load(averaged)["state_dict"][PARAMETER].tolist()
    assert len(averaged.events("validation")) == 1
    assert recorded(averaged)["validated"] == [average] * 3, "three images on this rank"
    exported = read_weights(averaged.checkpoint(LAST))
    assert exported[PARAMETER].tolist() == average


def test_a_run_that_was_stopped_and_diverged_ends_with_equal_average_weights_and_optimizer(
    interrupted: RealJob, averaged: RealJob
) -> None:
    ours, theirs = load(interrupted), load(averaged)
    for part in ("state_dict", "ema_state_dict"):
        assert ours[part].keys() == theirs[part].keys()
        assert [key for key, one in ours[part].items() if not torch.equal(one, theirs[part][key])] == []
    for number, moments in theirs["optimizer"]["state"].items():
        assert all(torch.equal(ours["optimizer"]["state"][number][name], one) for name, one in moments.items())
    # Not the scores: on a CPU, BN replaces SyncBN, and each rank validates with the batch statistics that it has seen.
    assert interrupted.hashes() == averaged.hashes()
