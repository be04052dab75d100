"""Measures a training step of MMDetection and of the switch fewerSyncs, in turn, on a CPU.

    PYTHONPATH=trainer .everswin/tools/trainer-env/bin/python test/bench/fewer_syncs.py --seed 1 --repeats 30

The model is that of the demo's recipe, with images of the demo's size and of COCO's. Each pair of steps has the same
weights, images and random numbers, and its losses must be equal. On a CPU nothing waits for a GPU, so this measures the
CPU time of the work that the switch saves, not the waits.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"

import copy
import time
from typing import Any

import numpy as np
import torch
from record import ROOT, figure, keep, parse_arguments, print_figures, surroundings

from everswin_trainer.model import mmcv_ops

mmcv_ops.install()

from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmdet.utils import register_all_modules
from mmengine.structures import InstanceData

from everswin_trainer.model.fewer_syncs.types import use_fewer_syncs
from everswin_trainer.model.recipe import load_recipe
from everswin_trainer.training import runner  # noqa: F401  (registers the classes)

RECIPE = ROOT / "configs/mmdet/cascade-mask-rcnn_swin-demo.py"
# Height and width, objects per image (COCO's mean is 7.3), and boxes sampled per image and stage (None: the recipe's).
CASES = {"demo": ((96, 128), 3, None), "COCO": ((800, 1066), 7, 512)}
NAMES = ("stock", "fewerSyncs")
IMAGES = 2


def main() -> None:
    arguments = parse_arguments("fewer_syncs.py", repeats=30)
    record = surroundings(arguments)
    register_all_modules()
    torch.set_num_threads(1)
    figures, raw = [], {}
    for case, (size, objects, samples) in CASES.items():
        seconds = measure(arguments.seed, arguments.repeats, size, objects, samples)
        ratios = [ours / stock for stock, ours in zip(*(seconds[name] for name in NAMES), strict=True)]
        target = "<= 0.97" if case == "COCO" else None
        figures.append(figure(f"{case}: fewerSyncs / stock, CPU time of each pair of steps", "", ratios, target))
        figures += [figure(f"{case}: CPU time of a step, {name}", "s", seconds[name]) for name in NAMES]
        raw[case] = seconds
    print_figures(figures)
    keep(arguments.out, {**record, "figures": figures, "secondsPerStep": raw})


def measure(
    seed: int, repeats: int, size: tuple[int, int], objects: int, samples: int | None
) -> dict[str, list[float]]:
    """Returns the seconds of each step after two that warm up. Raises AssertionError if losses differ."""
    models = {name: build(seed, name == "fewerSyncs", samples) for name in NAMES}
    seconds: dict[str, list[float]] = {name: [] for name in NAMES}
    for number in range(repeats + 2):
        batch = draw(seed + number, size, objects)
        losses = {}
        # The order alternates, so that neither always runs on a warm cache.
        for name in NAMES if number % 2 else reversed(NAMES):
            given = copy.deepcopy(batch)
            torch.manual_seed(number)
            since = time.process_time()
            losses[name] = step(models[name], given)
            seconds[name].append(time.process_time() - since)
        assert losses["stock"] == losses["fewerSyncs"], losses
    return {name: all_of[2:] for name, all_of in seconds.items()}


def build(seed: int, is_fast: bool, samples: int | None) -> torch.nn.Module:
    config = load_recipe(RECIPE, None).model
    config.backbone.init_cfg = None
    if samples:
        for stage in config.train_cfg.rcnn:
            stage.sampler.num = samples
        config.train_cfg.rpn_proposal.update(nms_pre=2000, max_per_img=2000)
    if is_fast:
        use_fewer_syncs(config)
    torch.manual_seed(seed)
    return MODELS.build(config)


def step(model: torch.nn.Module, batch: dict[str, Any]) -> dict[str, float]:
    """Computes losses and gradients."""
    loss, logged = model.parse_losses(model(**model.data_preprocessor(batch, training=True), mode="loss"))
    model.zero_grad()
    loss.backward()
    return {name: value.item() for name, value in logged.items()}


def draw(seed: int, size: tuple[int, int], objects: int) -> dict[str, Any]:
    """Draws noise with elliptic objects of a tenth to a half of the image's sides."""
    random = np.random.default_rng(seed)
    height, width = size
    inputs, samples = [], []
    for _ in range(IMAGES):
        sides = random.uniform(0.1, 0.5, (objects, 2)) * (width, height)
        near = random.uniform(0, 1, (objects, 2)) * ((width, height) - sides)
        y, x = np.mgrid[:height, :width]
        masks = np.stack(
            [
                ((x - left) / wide - 0.5) ** 2 + ((y - top) / high - 0.5) ** 2 <= 0.25
                for (left, top), (wide, high) in zip(near, sides, strict=True)
            ]
        )
        sample = DetDataSample(metainfo={"img_shape": size, "ori_shape": size})
        sample.gt_instances = InstanceData(
            bboxes=torch.tensor(np.concatenate([near, near + sides], 1), dtype=torch.float32),
            labels=torch.tensor(random.integers(0, 80, objects)),
            masks=BitmapMasks(masks.astype(np.uint8), height, width),
        )
        inputs.append(torch.tensor(random.integers(0, 256, (3, height, width)), dtype=torch.uint8))
        samples.append(sample)
    return {"inputs": inputs, "data_samples": samples}


main()
