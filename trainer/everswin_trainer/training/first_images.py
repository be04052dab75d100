"""Reads and draws the first images of a training as the augmentation made them, with boxes, masks and class names.

An image depends only on the seed, the epoch and its number in the data set (randomness.py). So these are the images of
the first steps bit for bit, whether they are read before the training or after it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from mmdet.registry import MODELS
from mmdet.structures.bbox import get_box_tensor
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from pycocotools import mask as mask_codec

from everswin_trainer.analysis.drawing import Drawn, encode
from everswin_trainer.analysis.safe_text import safe_text
from everswin_trainer.data import mapped_dataset  # noqa: F401  (registers the data set)
from everswin_trainer.data.dataset import PreparedData
from everswin_trainer.detector.label_font import choose_font
from everswin_trainer.detector.picture import Labeled, draw_labeled, shown_name
from everswin_trainer.job.control import TrainerControl
from everswin_trainer.job.plan import Plan
from everswin_trainer.model.build_config import build_config
from everswin_trainer.training import batches, mixed_dataset, size_batches  # noqa: F401  (register what it names)
from everswin_trainer.training.micro_batches import Batch, cut

MAX_IMAGES = 8
LONG_SIDE = 640
# Of each picture of the report.
MAX_BYTES = 30_000
LETTERS = 1 / 32
PADDING = (114, 114, 114)


@dataclass(frozen=True)
class FirstImage:
    """An image of a step, which is counted from 1. Sizes are (width, height) in pixels; `picture` is BGR."""

    step: int
    file_name: str
    original: tuple[int, int]
    augmented: tuple[int, int]
    # What the model gets: images of a batch are padded to one size.
    padded: tuple[int, int]
    flipped: bool
    objects: int
    picture: np.ndarray

    def facts(self) -> dict[str, Any]:
        """Returns everything but the picture, for JSON."""
        sizes = {"original": self.original, "augmented": self.augmented, "padded": self.padded}
        return {
            "step": self.step,
            "fileName": safe_text(self.file_name),
            **{name: {"width": width, "height": height} for name, (width, height) in sizes.items()},
            "flipped": self.flipped,
            "objects": self.objects,
        }


def describe_first_images(plan: Plan, recipe: Config, data: PreparedData) -> dict[str, Any]:
    """Returns `trainingBatch` of analysis.json."""
    images = []
    for one in draw_first_images(plan, recipe, data):
        height, width = one.picture.shape[:2]
        picture = {"width": width, "height": height, "image": encode(one.picture, MAX_BYTES)}
        images.append({**one.facts(), "picture": picture})
    return {"seed": plan.seed, "images": images}


def draw_first_images(plan: Plan, recipe: Config, data: PreparedData) -> list[FirstImage]:
    """Returns the first images of the plan's first epoch, at most MAX_IMAGES, in the order of steps and ranks."""
    config = configure(plan, recipe, data)
    with DefaultScope.overwrite_default_scope(config.default_scope):
        preprocessor = MODELS.build(config.model.data_preprocessor)
    names, font = data.classes(), choose_font(data.classes())
    images: list[FirstImage] = []
    for step, part in read_parts(config, plan.seed):
        height, width = preprocessor(part, True)["inputs"].shape[-2:]
        for image, sample in zip(part["inputs"], part["data_samples"], strict=True):
            objects = _objects(sample.gt_instances, (height, width))
            labeled = [Labeled(one, shown_name(names[one.label], one.label, font)) for one in objects]
            first = FirstImage(
                step=step,
                file_name=sample.img_path.removeprefix(data.image_prefix("train")),
                original=(sample.ori_shape[1], sample.ori_shape[0]),
                augmented=(image.shape[2], image.shape[1]),
                padded=(width, height),
                flipped=bool(sample.get("flip")),
                objects=len(objects),
                picture=draw_labeled(_pad(image, (height, width)), labeled, font, LONG_SIDE, LETTERS),
            )
            images.append(first)
            if len(images) == MAX_IMAGES:
                return images
    return images


def configure(plan: Plan, recipe: Config, data: PreparedData) -> Config:
    """Returns the configuration of a training in which this process reads what all ranks of the plan get."""
    control = replace(TrainerControl.planned(plan), gpus=1)
    return build_config(recipe, plan, control, data, data.root, "cpu", weights=None).config


def read_parts(config: Config, seed: int) -> Iterator[tuple[int, Batch]]:
    """Yields what the model gets at once, as the loader collates it, with the number of its step in the first epoch."""
    with DefaultScope.overwrite_default_scope(config.default_scope):
        loader = Runner.build_dataloader(config.train_dataloader, seed=seed)
    loop = config.train_cfg
    for step, numbers in enumerate(loader.batch_sampler, 1):
        for share in cut({"inputs": numbers}, loop.get("virtual_ranks", 1)):
            for part in cut(share, loop.get("parts", 1)):
                yield step, loader.collate_fn([loader.dataset[number] for number in part["inputs"]])


def _pad(image: torch.Tensor, padded: tuple[int, int]) -> np.ndarray:
    """Returns the pixels of an image (3, height, width) on a gray canvas of `padded` (height, width)."""
    canvas = np.full((*padded, 3), PADDING, np.uint8)
    # Some augmentations return floating-point pixels.
    canvas[: image.shape[1], : image.shape[2]] = image.permute(1, 2, 0).clamp(0, 255).to(torch.uint8).numpy()
    return canvas


def _objects(instances: Any, padded: tuple[int, int]) -> list[Drawn]:
    """Returns the objects, smallest first, so that large ones do not cover them. Crowds are no objects."""
    masks = instances.masks.pad(padded).to_ndarray() if "masks" in instances else [None] * len(instances)
    corners = get_box_tensor(instances.bboxes).tolist()
    objects = [
        Drawn(label, [x1, y1, x2 - x1, y2 - y1], None if mask is None else mask_codec.encode(np.asfortranarray(mask)))
        for label, (x1, y1, x2, y2), mask in zip(instances.labels.tolist(), corners, masks, strict=True)
    ]
    return sorted(objects, key=lambda one: one.box[2] * one.box[3])
