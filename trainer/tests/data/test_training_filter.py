"""Compares the counts of usable images and objects with MMDetection's CocoDataset on random data."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.config import Config

from everswin_trainer.data.check_annotations import check_annotations
from everswin_trainer.data.training_filter import MIN_SIDE
from everswin_trainer.model import mmcv_ops

# Before any import of mmdet, which binds the operators once for all tests.
mmcv_ops.install()

RECIPES = sorted((Path(__file__).parents[3] / "configs/mmdet").glob("*.py"))
SIDES = st.sampled_from((1, 31, 32, 33, 100))
EDGES = st.sampled_from((-40, -1, 0, 0.5, 1, 1.5, 31, 32, 33, 99.5, 100, 120))
LENGTHS = st.sampled_from((-1, 0, 0.5, 1, 1.25, 20, 40, 100))


@st.composite
def splits(draw: st.DrawFn) -> dict[str, Any]:
    """Draws a split in valid form; images and objects of every kind that the filter drops are frequent."""
    images = [
        {"id": number, "file_name": f"{number}.jpg", "width": draw(SIDES), "height": draw(SIDES)}
        for number in range(draw(st.integers(1, 4)))
    ]
    annotations = [
        {
            "id": number,
            "image_id": draw(st.integers(0, len(images) - 1)),
            "category_id": draw(st.integers(1, 2)),
            "bbox": [draw(EDGES), draw(EDGES), draw(LENGTHS), draw(LENGTHS)],
            "area": draw(st.sampled_from((-1, 0, 0.0, 1e-9, 400))),
            "iscrowd": draw(st.sampled_from((0, 0, 0, 1))),
            "segmentation": [[0, 0, 9, 0, 9, 9]],
        }
        | draw(st.sampled_from(({}, {}, {"ignore": 0}, {"ignore": True}, {"ignore": 1})))
        for number in range(draw(st.integers(0, 8)))
    ]
    return {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 1, "name": "bolt"}, {"id": 2, "name": "nut"}],
    }


@settings(max_examples=300, deadline=None)
@given(splits())
def test_usable_images_and_objects_are_those_of_mmdetection(tmp_path_factory: Any, split: dict[str, Any]) -> None:
    from mmdet.datasets import CocoDataset

    path = tmp_path_factory.getbasetemp() / "split.json"
    path.write_text(json.dumps(split))
    metainfo, settings = {"classes": ("bolt", "nut")}, {"filter_empty_gt": True, "min_size": MIN_SIDE}
    kept = CocoDataset(
        ann_file=str(path), data_prefix={"img": ""}, metainfo=metainfo, filter_cfg=settings, lazy_init=True
    )
    kept.data_list = kept.load_data_list()
    kept = kept.filter_data()
    checked = check_annotations(path.read_bytes(), "train", False)
    if not split["annotations"]:
        assert checked.problems == ["train: no image has annotations"]
    objects = sum(not one["ignore_flag"] for image in kept for one in image["instances"])
    assert (checked.usable_images, checked.usable_objects) == (len(kept), objects)
    unusable = any("training images are usable" in line for line in checked.problems)
    assert unusable == (objects == 0 and bool(split["annotations"]))


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_filters_as_the_count_assumes(recipe: Path) -> None:
    dataset = Config.fromfile(recipe).train_dataloader.dataset
    dataset = dataset.get("dataset", dataset)  # of MultiImageMixDataset
    assert (dataset.type, dict(dataset.filter_cfg)) == (
        "CocoDataset",
        {"filter_empty_gt": True, "min_size": MIN_SIDE},
    )
