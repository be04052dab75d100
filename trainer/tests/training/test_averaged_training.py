"""Trains the recipes with a moving average, large-scale jitter and copy-paste together, at the demo's size.

Runs two ranks with loader workers.
"""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from average_recorder import PARAMETER
from forked import finish
from real_job import RealJob
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


@pytest.fixture(scope="module")
def averaged(data: Path, recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> RealJob:
    job = RealJob(tmp_path_factory.mktemp("averaged"), data, recipe=recipe)
    job.plan["epochs"] = 1
    finish(job.fork(*job.training()), 0)
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
