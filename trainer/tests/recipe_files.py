"""Builds the recipes as the trainer does, for tests that need no data."""

import json
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from mmengine.config import Config

from conftest import PLAN
from everswin_trainer.data.dataset import PreparedData
from everswin_trainer.job.control import TrainerControl
from everswin_trainer.job.plan import Plan
from everswin_trainer.model import mmcv_ops
from everswin_trainer.model.build_config import build_config
from everswin_trainer.model.recipe import load_recipe

RECIPES = Path(__file__).parents[2] / "configs/mmdet"
RUNS = RECIPES.parent / "runs"
# Recipes for COCO: t_blog, s_paper, ...
COCO_RECIPES = sorted(path.stem.removeprefix("cascade-mask-rcnn_swin-") for path in RECIPES.glob("*_*_*.py"))
# The others train for 100 epochs with large-scale jitter.
THREE_TIMES = [recipe for recipe in COCO_RECIPES if "lsj" not in recipe]
CLASSES = [f"class {number}" for number in range(80)]
HEIGHT, WIDTH = 128, 160


@cache
def built(recipe: str, device: str, batch_per_gpu: int = 2) -> Config:
    """Returns the config for COCO's 80 classes and 36 epochs, without weights. Cached, so do not modify it."""
    plan = {**PLAN, "epochs": 36, "batchPerGpu": batch_per_gpu}
    split = {"archive": None, "folder": "images", "index": None, "annotations": "annotations.json"}
    data = PreparedData(Path("/data"), {"v": 1, "classes": CLASSES, "splits": {"train": split, "val": split}})
    control = TrainerControl(epochs=36, checkpoint_now=0, learning_rate_factor=1.0, fp32=False, accumulate=1, gpus=1)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "plan.json"
        file.write_text(json.dumps(plan))
        recipe_file = load_recipe(RECIPES / f"cascade-mask-rcnn_swin-{recipe}.py", None)
        return build_config(recipe_file, Plan.load(file), control, data, Path(folder), device, None).config


def fill_registries() -> None:
    """Registers MMDetection's modules; uses our operations where mmcv has no compiled ones."""
    mmcv_ops.install()
    import mmdet.datasets
    import mmdet.models  # noqa: F401
    from mmengine.registry import init_default_scope

    init_default_scope("mmdet")


def two_images() -> dict[str, list]:
    """Returns two images of noise, each with two rectangles of different classes as objects."""
    from mmdet.structures import DetDataSample
    from mmdet.structures.mask import BitmapMasks
    from mmengine.structures import InstanceData

    boxes = torch.tensor([[8.0, 16.0, 72.0, 96.0], [80.0, 40.0, 150.0, 120.0]])
    masks = torch.zeros(2, HEIGHT, WIDTH, dtype=torch.uint8)
    for mask, (left, top, right, bottom) in zip(masks, boxes.int().tolist(), strict=True):
        mask[top:bottom, left:right] = 1
    samples = []
    for _ in range(2):
        sample = DetDataSample(metainfo={"img_shape": (HEIGHT, WIDTH), "ori_shape": (HEIGHT, WIDTH)})
        sample.gt_instances = InstanceData(
            bboxes=boxes, labels=torch.tensor([3, 79]), masks=BitmapMasks(masks.numpy(), HEIGHT, WIDTH)
        )
        samples.append(sample)
    generator = torch.Generator().manual_seed(1)
    images = [torch.randint(0, 256, (3, HEIGHT, WIDTH), dtype=torch.uint8, generator=generator) for _ in range(2)]
    return {"inputs": images, "data_samples": samples}
