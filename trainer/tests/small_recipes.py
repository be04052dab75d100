"""Shrinks a recipe to the sizes of the demo, so that a CPU trains it in a second. All other settings stay."""

import copy
from functools import cache
from pathlib import Path
from typing import Any

from mmengine.config import Config

from everswin_trainer.model.recipe import load_recipe

RECIPES = Path(__file__).parents[2] / "configs/mmdet"
# Sizes of a step of a pipeline or a batch augmentation: those of images of 640 x 480, and of the demo's 128 x 96.
SIZES = {(1024, 1024): (128, 128), (384, 600): (72, 96), (1333, 800): (128, 96)}


@cache
def demo() -> Config:
    return load_recipe(RECIPES / "cascade-mask-rcnn_swin-demo.py", None)


def shrink(name: str) -> Config:
    """Returns the recipe `cascade-mask-rcnn_swin-NAME` with the demo's backbone, channels, images and learning rate."""
    recipe = load_recipe(RECIPES / f"cascade-mask-rcnn_swin-{name}.py", None)
    small, model = copy.deepcopy(demo().model), recipe.model
    small.train_cfg.rpn = model.train_cfg.rpn
    for part in ("backbone", "neck", "rpn_head", "train_cfg", "test_cfg"):
        model[part] = small[part]
    for part in ("bbox_roi_extractor", "mask_roi_extractor", "mask_head"):
        model.roi_head[part] = small.roi_head[part]
    for head, like in zip(model.roi_head.bbox_head, small.roi_head.bbox_head, strict=True):
        head.update(in_channels=like.in_channels, fc_out_channels=like.fc_out_channels)
        if "conv_out_channels" in head:
            head.conv_out_channels = like.in_channels
    for part in (model.data_preprocessor, recipe.train_dataloader, recipe.val_dataloader, recipe.test_dataloader):
        shrink_images(part)
    recipe.optim_wrapper.optimizer.lr = demo().optim_wrapper.optimizer.lr
    recipe.param_scheduler[0].end = demo().param_scheduler[0].end
    return recipe


def shrink_images(part: Any) -> None:
    """Replaces the sizes of images at any depth."""
    if isinstance(part, dict):
        for name in ("scale", "size", "crop_size"):
            if name in part:
                part[name] = SIZES[tuple(part[name])]
        if "scales" in part:
            part["scales"] = demo().scales
    for inner in part.values() if isinstance(part, dict) else part if isinstance(part, (list, tuple)) else ():
        shrink_images(inner)
