"""Measures the wait of a resumed run for its first batch: ours, and MMEngine's iteration loop on the same samplers.

    PYTHONPATH=trainer .everswin/tools/trainer-env/bin/python test/bench/skip_time.py --seed 1 --repeats 10

Our sampler skips indices. It is measured on a synthetic data set with the size and the number of objects and polygons
of COCO, packed by BaseDataset of MMEngine. MMEngine's loop must load what it skips, because AspectRatioBatchSampler
offers no other way. It is measured with `skip_iter` of MMEngine on some batches, and the result is extrapolated.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"

import itertools
import logging
import random
import time
from pathlib import Path
from typing import Any

import torch
from mmdet.registry import DATA_SAMPLERS
from mmdet.utils import register_all_modules
from mmengine.dataset import BaseDataset, DefaultSampler
from mmengine.runner import Runner
from mmengine.runner.loops import _InfiniteDataloaderIterator
from record import ROOT, figure, keep, parse_arguments, print_figures, surroundings

from everswin_trainer.data.dataset import PreparedData
from everswin_trainer.job.control import TrainerControl
from everswin_trainer.job.plan import Plan
from everswin_trainer.model import mmcv_ops  # noqa: F401  (register what build_config names)
from everswin_trainer.model.build_config import build_config
from everswin_trainer.model.recipe import load_recipe
from everswin_trainer.training import batches, randomness  # noqa: F401  (register what build_config names)
from everswin_trainer.training.batches import ResumableBatchSampler

# train2017 without images that have no object; 4 ranks with 2 images each.
IMAGES, RANKS, BATCH = 117_266, 4, 2
EPOCH = (IMAGES + RANKS * BATCH - 1) // (RANKS * BATCH)
# instances_train2017.json: 860 001 objects on 118 287 images; about 50 numbers per polygon.
OBJECTS_PER_IMAGE, NUMBERS_PER_POLYGON = 7.3, 50
SHARES = (0.1, 0.5, 0.9)
# Batches that MMEngine's loop loads and discards.
MEASURED_BATCHES = 40
RECIPES = ROOT / "configs/mmdet"


class MadeUpCoco(BaseDataset):
    """Synthetic annotations with the number and size of COCO's, without images."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        super().__init__(ann_file="", serialize_data=True)

    def load_data_list(self) -> list[dict[str, Any]]:
        draw = random.Random(self._seed)
        return [one_image(draw, number) for number in range(IMAGES)]


def one_image(draw: random.Random, number: int) -> dict[str, Any]:
    """Returns the fields of mmdet's CocoDataset."""
    # About a quarter of COCO's images are portraits.
    width, height = (480, 640) if draw.random() < 0.25 else (640, 480)
    count = max(1, round(draw.expovariate(1 / OBJECTS_PER_IMAGE)))
    return {
        "img_path": f"train2017/{number:012d}.jpg",
        "img_id": number,
        "seg_map_path": None,
        "height": height,
        "width": width,
        "instances": [one_object(draw) for _ in range(count)],
    }


def one_object(draw: random.Random) -> dict[str, Any]:
    corner = draw.random() * 300
    polygon = [corner + step * 1.37 for step in range(NUMBERS_PER_POLYGON)]
    return {"ignore_flag": 0, "bbox": [corner, corner, corner + 100, corner + 90], "bbox_label": 3, "mask": [polygon]}


def main() -> None:
    arguments = parse_arguments("skip_time.py", repeats=10)
    where = surroundings(arguments)
    logging.disable(logging.WARNING)
    mmcv_ops.install()
    register_all_modules(init_default_scope=True)
    figures, raw = measure_ours(arguments.seed, arguments.repeats)
    for name, recipe in (("demo", "cascade-mask-rcnn_swin-demo"), ("swin-s", "cascade-mask-rcnn_swin-s_blog")):
        per_batch = [time_of_thrown_away(recipe, arguments.seed) for _ in range(arguments.repeats)]
        raw[f"mmengine {name}: seconds per batch"] = per_batch
        figures.append(figure(f"MMEngine, {name} pipeline: a batch loaded and thrown away", "s", per_batch))
        for share in SHARES:
            whole = [one * int(share * EPOCH) for one in per_batch]
            figures.append(figure(f"MMEngine, {name} pipeline: {share:.0%} of an epoch, extrapolated", "s", whole))
    print_figures(figures)
    about = {"images": IMAGES, "ranks": RANKS, "batch": BATCH, "stepsPerEpoch": EPOCH}
    keep(arguments.out, {**where, **about, "measuredBatches": MEASURED_BATCHES, "figures": figures, "raw": raw})


def measure_ours(seed: int, repeats: int) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Measures one rank. All ranks have their own sampler and do the same work concurrently."""
    dataset = MadeUpCoco(seed)
    raw: dict[str, Any] = {"datasetBytes": int(dataset.data_bytes.nbytes)}
    figures = []
    samples: dict[float, list[float]] = {share: [] for share in SHARES}
    for share in SHARES:
        check_that_skipping_is_exact(dataset, seed, int(share * EPOCH))
    for _ in range(repeats):
        for share in SHARES:
            sampler = resumable(dataset, seed)
            sampler.skip = int(share * EPOCH)
            begin = time.monotonic()
            next(iter(sampler))
            samples[share].append(time.monotonic() - begin)
    for share in SHARES:
        raw[f"everswin {share:.0%}: seconds"] = samples[share]
        figures.append(figure(f"everswin: {share:.0%} of an epoch skipped", "s", samples[share], "<= 2"))
    return figures, raw


def resumable(dataset: BaseDataset, seed: int) -> ResumableBatchSampler:
    """Returns the batch sampler of the recipes' data loader on one of four ranks."""
    order = DefaultSampler(dataset, shuffle=True, seed=seed)
    order.rank, order.world_size = 1, RANKS
    order.num_samples = (len(dataset) + RANKS - 1) // RANKS
    order.total_size = order.num_samples * RANKS
    sampler = DATA_SAMPLERS.build(
        {"type": "ResumableBatchSampler", "inner": {"type": "AspectRatioBatchSampler"}},
        default_args={"sampler": order, "batch_size": BATCH},
    )
    assert isinstance(sampler, ResumableBatchSampler)
    return sampler


def check_that_skipping_is_exact(dataset: BaseDataset, seed: int, skip: int) -> None:
    """Checks that skipping yields the same batches, because a figure for other batches would be meaningless."""
    whole = list(itertools.islice(resumable(dataset, seed), skip, skip + 3))
    resumed = resumable(dataset, seed)
    resumed.skip = skip
    assert list(itertools.islice(resumed, 3)) == whole
    assert len(resumed) == EPOCH


def time_of_thrown_away(recipe: str, seed: int) -> float:
    """Returns the seconds per batch of one loader worker when MMEngine's IterBasedTrainLoop resumes."""
    torch.manual_seed(seed)
    loader = Runner.build_dataloader(loader_settings(recipe, seed), seed=seed)
    skipping = _InfiniteDataloaderIterator(loader)
    # The first batches wait for the worker to start.
    skipping.skip_iter(5)
    begin = time.monotonic()
    skipping.skip_iter(MEASURED_BATCHES)
    seconds = time.monotonic() - begin
    del skipping
    return seconds / MEASURED_BATCHES


def loader_settings(recipe: str, seed: int) -> Any:
    """Returns the loader settings of the recipe on the demo images, with its original batch sampler."""
    data = PreparedData.at(next((ROOT / ".everswin/data/datasets").glob("mini-coco-*/")))
    plan = Plan(
        run_id="bench",
        plan_hash="0" * 64,
        recipe_name=recipe,
        recipe_sha256="",
        epochs=1,
        seed=seed,
        gpus=RANKS,
        batch_per_gpu=BATCH,
        loader_workers=1,
        log_every_steps=1,
        every_minutes=10.0,
        keep_last=2,
        milestones=None,
    )
    config = load_recipe(RECIPES / f"{recipe}.py", None)
    control = TrainerControl(epochs=1, checkpoint_now=0, learning_rate_factor=1.0, fp32=False, accumulate=1)
    built = build_config(config, plan, control, data, Path("."), "cpu", None).config
    settings = built.train_dataloader
    settings.batch_sampler = settings.batch_sampler.inner
    return settings


if __name__ == "__main__":
    main()
