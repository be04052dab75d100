"""Runs the augmentation of the recipes many times and checks its results."""

import random
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from mmengine.dataset import Compose
from recipe_files import THREE_TIMES, built, fill_registries

SHORT_SIDES = set(range(480, 801, 32))
LONG_SIDE = 1333
# The size of most COCO images. The objects are rectangles, so that each box determines its mask.
WIDTH, HEIGHT = 640, 480
OBJECTS = [(40, 60, 200, 140), (300, 100, 260, 330), (20, 380, 120, 60)]
ROUNDS = 120


@pytest.fixture(scope="module")
def augmented(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Returns seeded results for an image whose red channel increases from left to right."""
    fill_registries()
    path = tmp_path_factory.mktemp("images") / "image.png"
    write_image(path)
    pipeline = Compose([dict(step) for step in steps("s_blog")])
    random.seed(0)
    np.random.seed(0)
    return [outcome(pipeline(image_info(path))) for _ in range(ROUNDS)]


def steps(recipe: str) -> list[dict[str, Any]]:
    """Returns the transforms without the first, which seeds each image."""
    seed, *rest = built(recipe, "cuda").train_dataloader.dataset.pipeline
    assert seed.type == "SeedSample"
    return rest


def write_image(path: Path) -> None:
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    image[:, :, 2] = np.linspace(0, 255, WIDTH)
    cv2.imwrite(str(path), image)


def image_info(path: Path) -> dict[str, Any]:
    instances = [
        {
            "bbox": [x, y, x + width, y + height],
            "bbox_label": label,
            "ignore_flag": 0,
            "mask": [[x, y, x + width, y, x + width, y + height, x, y + height]],
        }
        for label, (x, y, width, height) in enumerate(OBJECTS)
    ]
    return {"img_path": str(path), "img_id": 1, "height": HEIGHT, "width": WIDTH, "instances": instances}


def outcome(packed: dict[str, Any]) -> dict[str, Any]:
    sample, image = packed["data_samples"], packed["inputs"]
    red = image[2].float().mean(0)
    height, width = image.shape[1:]
    return {
        "size": (height, width),
        "cropped": abs(width / height / (WIDTH / HEIGHT) - 1) > 0.01,
        "flipped": bool(red[0] > red[-1]),
        "reported": (tuple(sample.img_shape), sample.flip),
        "boxes": sample.gt_instances.bboxes.tensor,
        "labels": sample.gt_instances.labels.tolist(),
        "masks": sample.gt_instances.masks.to_ndarray(),
    }


def test_all_recipes_of_36_epochs_have_the_same_augmentation() -> None:
    assert [steps(recipe) for recipe in THREE_TIMES] == [steps("s_blog")] * len(THREE_TIMES)


def test_images_stay_within_the_size_limits_of_the_recipe(augmented: list[dict[str, Any]]) -> None:
    for one in augmented:
        short, long = sorted(one["size"])
        assert long <= LONG_SIDE
        # A narrow crop reaches the limit of the long side before its short side has the drawn length.
        assert short in SHORT_SIDES or (long == LONG_SIDE and short < max(SHORT_SIDES))
        assert one["reported"] == (one["size"], one["flipped"])


def test_every_short_side_is_drawn(augmented: list[dict[str, Any]]) -> None:
    assert {min(one["size"]) for one in augmented} >= SHORT_SIDES


def test_half_of_the_images_are_cropped_and_half_flipped(augmented: list[dict[str, Any]]) -> None:
    # The tolerance is four standard deviations; a few crops have the shape of the image by chance.
    for trait in ("cropped", "flipped"):
        share = sum(one[trait] for one in augmented) / ROUNDS
        assert share == pytest.approx(0.5, abs=0.18), trait


def test_only_crops_drop_objects(augmented: list[dict[str, Any]]) -> None:
    kept = [len(one["labels"]) for one in augmented if one["cropped"]]
    assert {len(one["labels"]) for one in augmented if not one["cropped"]} == {len(OBJECTS)}
    assert min(kept) < len(OBJECTS)


def test_masks_fill_their_boxes(augmented: list[dict[str, Any]]) -> None:
    for one in augmented:
        assert len(one["boxes"]) == len(one["masks"]) == len(one["labels"])
        for box, mask in zip(one["boxes"].tolist(), one["masks"], strict=True):
            assert mask.shape == one["size"]
            rows, columns = np.nonzero(mask)
            mask_box = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
            # Each of the two resizes rounds to whole pixels.
            assert mask_box == pytest.approx(box, abs=4)


def test_boxes_lie_inside_the_image(augmented: list[dict[str, Any]]) -> None:
    for one in augmented:
        height, width = one["size"]
        for left, top, right, bottom in one["boxes"].tolist():
            assert 0 <= left < right <= width + 0.5
            assert 0 <= top < bottom <= height + 0.5
