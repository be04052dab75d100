"""Checks the length of an epoch and the learning rates of the recipes with MMEngine's own samplers and schedulers."""

import json
import math
from functools import cache

import pytest
import torch
from mmengine.optim import OptimWrapper
from mmengine.registry import DATA_SAMPLERS, PARAM_SCHEDULERS
from recipe_files import COCO_RECIPES, RUNS, THREE_TIMES, built, fill_registries

from everswin_trainer.training import batches  # noqa: F401  (registers the batch sampler)

# COCO's training images with annotations, of 118,287: filter_empty_gt removes the others.
IMAGES_WITH_OBJECTS = 117_266
LR = 0.0001
BLOG = [name for name in COCO_RECIPES if "blog" in name]
PAPER = [name for name in COCO_RECIPES if "paper" in name]


class Images:
    """Image shapes, of which every third is in portrait format, about as in COCO."""

    def __len__(self) -> int:
        return IMAGES_WITH_OBJECTS

    def get_data_info(self, index: int) -> dict[str, int]:
        return {"width": 480, "height": 640} if index % 3 == 0 else {"width": 640, "height": 480}


def batch_sizes(monkeypatch: pytest.MonkeyPatch, recipe: str, rank: int, gpus: int, batch: int) -> list[int]:
    """Returns the batch sizes of a rank's first epoch."""
    fill_registries()
    monkeypatch.setattr("mmengine.dataset.sampler.get_dist_info", lambda: (rank, gpus))
    loader = built(recipe, "cuda", batch).train_dataloader
    sampler = DATA_SAMPLERS.build(loader.sampler, default_args={"dataset": Images(), "seed": 0})
    settings = {"sampler": sampler, "batch_size": loader.batch_size}
    resumable = DATA_SAMPLERS.build(loader.batch_sampler, default_args=settings)
    sizes = [len(one) for one in resumable]
    assert len(sizes) == len(resumable)
    return sizes


@pytest.mark.parametrize("recipe", COCO_RECIPES)
def test_an_epoch_has_14659_steps_of_8_images_or_7330_of_16(recipe: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run = json.loads((RUNS / f"swin-{recipe.replace('_', '-')}.json").read_text())
    gpus, batch = run["gpus"], run["batchPerGpu"]
    sizes = batch_sizes(monkeypatch, recipe, 0, gpus, batch)
    assert (gpus * batch, len(sizes)) in {(8, 14_659), (16, 7_330)}
    assert sum(sizes) == math.ceil(IMAGES_WITH_OBJECTS / gpus)


@pytest.mark.parametrize(("recipe", "gpus", "batch", "steps"), [("s_paper", 8, 2, 7_330), ("s_blog", 1, 8, 14_659)])
def test_steps_per_epoch_depend_only_on_the_total_batch(
    recipe: str, gpus: int, batch: int, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(batch_sizes(monkeypatch, recipe, 0, gpus, batch)) == steps


def test_all_ranks_of_a_step_have_equally_many_micro_batches(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sizes = [batch_sizes(monkeypatch, "s_paper", rank, 4, 4) for rank in range(4)]
    assert sizes.count(sizes[0]) == 4, "SyncBN would wait indefinitely for a rank with fewer parts"
    assert sizes[0][-1] == 1


@cache
def rates(recipe: str) -> tuple[dict[int, float], dict[int, float]]:
    """Returns the learning rates of the first 1100 steps, and those after warm-up by completed epochs."""
    fill_registries()
    wrapper = OptimWrapper(torch.optim.AdamW([torch.zeros(1, requires_grad=True)], lr=LR))
    settings = built(recipe, "cuda").param_scheduler
    warm_up, falls = [PARAM_SCHEDULERS.build(dict(one), default_args={"optimizer": wrapper}) for one in settings]

    def rate() -> float:
        return wrapper.optimizer.param_groups[0]["lr"]

    by_step, by_epoch = {}, {}
    for step in range(1100):
        by_step[step] = rate()
        wrapper.optimizer.step()
        warm_up.step()
    for epoch in range(36):
        by_epoch[epoch] = rate()
        falls.step()
    return by_step, by_epoch


@pytest.mark.parametrize(("recipes", "steps"), [(BLOG, 1000), (PAPER, 500)], ids=["blog", "paper"])
def test_warm_up_is_linear_from_a_thousandth(recipes: list[str], steps: int) -> None:
    for recipe in recipes:
        by_step, _ = rates(recipe)
        assert by_step[0] == pytest.approx(LR / 1000)
        # MMEngine reaches the full rate at the last step of warm-up, mmcv 1.x one step later.
        assert by_step[steps // 2] == pytest.approx(LR * (0.001 + 0.999 * (steps // 2) / (steps - 1)))
        assert by_step[steps - 2] < LR
        assert [by_step[step] for step in range(steps - 1, 1100)] == pytest.approx([LR] * (1101 - steps))


@pytest.mark.parametrize(("step", "blog", "paper"), [(0, 1e-7, 1e-7), (500, 5.01e-5, 1e-4), (1000, 1e-4, 1e-4)])
def test_learning_rate_at_steps_0_500_and_1000(step: int, blog: float, paper: float) -> None:
    for recipes, expected in ((BLOG, blog), (PAPER, paper)):
        for recipe in recipes:
            assert rates(recipe)[0][step] == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("recipe", THREE_TIMES)
def test_learning_rate_drops_tenfold_after_epochs_27_and_33(recipe: str) -> None:
    _, by_epoch = rates(recipe)
    assert [by_epoch[done] for done in (0, 26)] == pytest.approx([LR, LR])
    assert [by_epoch[done] for done in (27, 32)] == pytest.approx([LR / 10, LR / 10])
    assert [by_epoch[done] for done in (33, 35)] == pytest.approx([LR / 100, LR / 100])
