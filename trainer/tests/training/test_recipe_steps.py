"""Trains one step of each recipe at the demo's size, and checks that the seed of a sample decides all that it draws."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.optim import build_optim_wrapper
from recipe_files import COCO_RECIPES, fill_registries
from small_recipes import shrink

from conftest import PLAN
from everswin_trainer.data.dataset import PreparedData
from everswin_trainer.job.control import TrainerControl
from everswin_trainer.job.plan import Plan
from everswin_trainer.model.build_config import build_config

CONTROL = TrainerControl(epochs=36, checkpoint_now=0, learning_rate_factor=1.0, fp32=False, accumulate=1, gpus=1)
MIXED = "s_paper-lsj-copy-paste"


@pytest.fixture(scope="module", autouse=True)
def registered() -> None:
    fill_registries()
    from everswin_trainer.data import mapped_dataset  # noqa: F401
    from everswin_trainer.training import mixed_dataset  # noqa: F401


def built(name: str, data: Path, folder: Path, seed: int = 0) -> Config:
    plan = folder / "plan.json"
    plan.write_text(json.dumps({**PLAN, "epochs": 36, "seed": seed}))
    return build_config(
        shrink(name), Plan.load(plan), CONTROL, PreparedData.at(data / "ready"), folder, "cpu", None
    ).config


def open_dataset(config: Config) -> Any:
    from mmdet.registry import DATASETS

    return DATASETS.build(config.train_dataloader.dataset)


def content(sample: dict[str, Any]) -> list[Any]:
    """Returns all that training uses of a sample."""
    objects = sample["data_samples"].gt_instances
    masks = objects.masks.to_ndarray()
    return [sample["inputs"].numpy(), objects.bboxes.tensor.numpy(), objects.labels.numpy(), masks]


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    pairs = zip(content(one), content(other), strict=True)
    return all(a.dtype == b.dtype and a.shape == b.shape and (a == b).all() for a, b in pairs)


@pytest.mark.parametrize("name", COCO_RECIPES)
def test_a_recipe_trains_a_step_on_a_cpu(name: str, data: Path, tmp_path: Path) -> None:
    from mmdet.registry import MODELS

    config = built(name, data, tmp_path)
    dataset, model = open_dataset(config), MODELS.build(config.model)
    before = {key: weight.detach().clone() for key, weight in model.named_parameters()}
    batch = pseudo_collate([dataset[0], dataset[1]])
    losses = model.train_step(batch, build_optim_wrapper(model, config.optim_wrapper))
    assert all(torch.isfinite(loss) for loss in losses.values())
    moved = [key for key, weight in model.named_parameters() if not torch.equal(weight, before[key])]
    assert len(moved) > 0.9 * len(before)


def test_large_scale_jitter_trains_images_that_are_smaller_than_every_anchor(data: Path, tmp_path: Path) -> None:
    from mmdet.registry import MODELS

    config = built("s_paper-lsj", data, tmp_path)
    dataset, model = open_dataset(config), MODELS.build(config.model)
    smallest = min((dataset[number] for number in range(len(dataset))), key=lambda one: one["inputs"].numel())
    assert max(smallest["inputs"].shape[1:]) < 22, "the shorter side of the smallest anchor"
    losses = model(**model.data_preprocessor(pseudo_collate([smallest, dataset[0]]), training=True), mode="loss")
    assert torch.isfinite(model.parse_losses(losses)[0])


@pytest.mark.parametrize("name", ["s_paper-lsj", MIXED])
def test_batches_of_large_scale_jitter_have_one_size(name: str, data: Path, tmp_path: Path) -> None:
    from mmdet.registry import MODELS

    config = built(name, data, tmp_path)
    dataset = open_dataset(config)
    prepare = MODELS.build(config.model.data_preprocessor)
    for first in range(0, len(dataset), 2):
        batch = prepare(pseudo_collate([dataset[first], dataset[first + 1]]), training=True)
        assert batch["inputs"].shape == (2, 3, 128, 128)
        for sample in batch["data_samples"]:
            assert sample.gt_instances.masks.masks.shape[1:] == (128, 128)
            assert len(sample.gt_instances) > 0


def test_a_mixed_sample_depends_only_on_its_seed_epoch_and_number(data: Path, tmp_path: Path) -> None:
    dataset = open_dataset(built(MIXED, data, tmp_path))
    first = [dataset[number] for number in range(len(dataset))]
    backwards = [dataset[number] for number in reversed(range(len(dataset)))]
    assert all(map(same, first, reversed(backwards)))
    other = open_dataset(built(MIXED, data, tmp_path))
    assert all(map(same, first, map(other.__getitem__, range(len(other)))))
    other.seeding.epoch.value = 1
    assert not any(map(same, first, map(other.__getitem__, range(len(other)))))
    other = open_dataset(built(MIXED, data, tmp_path, seed=1))
    assert not any(map(same, first, map(other.__getitem__, range(len(other)))))


def test_a_mixed_sample_equals_that_of_mmdetection_from_the_same_generators(data: Path, tmp_path: Path) -> None:
    from mmdet.datasets import MultiImageMixDataset

    ours = open_dataset(built(MIXED, data, tmp_path))
    settings = dict(built(MIXED, data, tmp_path).train_dataloader.dataset)
    del settings["seed"], settings["type"]
    stock = MultiImageMixDataset(**settings)
    plain = [len(stock.dataset[number]["gt_bboxes"]) for number in range(len(stock))]
    mixed = []
    for number in range(len(ours)):
        ours.seeding.transform({"sample_idx": number})
        theirs = stock[number]
        theirs["inputs"] = theirs["inputs"].to(torch.uint8)
        mixed.append(ours[number])
        assert same(mixed[-1], theirs)
    most = [len(sample["data_samples"].gt_instances) for sample in mixed]
    assert sum(most) > 1.2 * sum(plain), "objects of other images were pasted"
