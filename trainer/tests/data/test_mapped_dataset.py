"""Compares the mapped data set with MMDetection's CocoDataset: same samples, order, and filters."""

import copy
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from own_data import OwnData, annotate, prepare_mini

from everswin_trainer.data.dataset import PreparedData
from everswin_trainer.data.sample_file import Samples, samples_file, write_samples
from everswin_trainer.demo import mini_coco
from everswin_trainer.model import mmcv_ops

# Before any import of mmdet, which binds the operators once for all tests.
mmcv_ops.install()

FILTER = {"filter_empty_gt": True, "min_size": 32}
NUMBERS = st.integers(-40, 120) | st.floats(-40, 120) | st.sampled_from((0, 0.0, 1, 1e-9, 33, 1e300))
NAMES = st.text(min_size=1, max_size=8)
MASKS = st.lists(st.lists(NUMBERS, min_size=6, max_size=8), max_size=2) | st.sampled_from(
    ({"size": [9, 9], "counts": "0]1"}, {"counts": [1, 80], "size": [9, 9]}, None)
)


@st.composite
def splits(draw: st.DrawFn) -> dict[str, Any]:
    """Draws a split whose images, objects, and categories are in any order, with all that the data set drops."""
    sides = st.sampled_from((1, 31, 32, 33, 100))
    keys = draw(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=5, unique=True))
    classes = draw(st.lists(st.integers(0, 99), min_size=1, max_size=3, unique=True))
    names = draw(st.lists(NAMES, min_size=len(classes), max_size=len(classes), unique=True))
    images = [{"file_name": draw(NAMES), "id": key, "width": draw(sides), "height": draw(sides)} for key in keys]
    annotations = [
        {
            "id": number,
            "image_id": draw(st.sampled_from(keys)),
            "category_id": draw(st.sampled_from(classes)),
            "bbox": [draw(NUMBERS) for _ in range(4)],
            "area": draw(NUMBERS),
            "iscrowd": draw(st.integers(0, 1)),
            "segmentation": draw(MASKS),
            **draw(st.sampled_from(({}, {}, {"ignore": 0}, {"ignore": True}, {"info": {"images": [1, "}]"]}}))),
        }
        for number in range(draw(st.integers(0, 8)))
    ]
    parts = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": key, "name": name} for key, name in zip(classes, names, strict=True)],
        "info": draw(st.sampled_from(({}, [], None, {"images": []}))),
    }
    return {name: parts[name] for name in draw(st.permutations(sorted(parts)))}


def build(annotations: Path, mapped: bool, prefix: str = "", **options: Any) -> Any:
    from mmdet.datasets import CocoDataset

    from everswin_trainer.data.mapped_dataset import MappedCocoDataset

    classes = tuple(one["name"] for one in json.loads(annotations.read_bytes())["categories"])
    options |= {"ann_file": str(annotations), "data_prefix": {"img": prefix}, "metainfo": {"classes": classes}}
    return MappedCocoDataset(samples=str(samples_file(annotations)), **options) if mapped else CocoDataset(**options)


def all_samples(dataset: Any) -> list[str]:
    """Returns every value with its type and the order of the keys. `repr` of a float is exact."""
    return [repr(dataset.get_data_info(number)) for number in range(len(dataset))]


@settings(max_examples=150, deadline=None)
@given(splits(), st.booleans(), st.none() | st.just(FILTER) | st.just({"min_size": 33}), st.sampled_from((None, 2, 0)))
@pytest.mark.parametrize("indent", [None, 1])
def test_samples_of_any_split_equal_those_of_mmdetection(
    tmp_path_factory: Any, indent: int | None, split: Any, test_mode: bool, filter_cfg: Any, indices: int | None
) -> None:
    path = tmp_path_factory.getbasetemp() / "drawn.json"
    path.write_text(json.dumps(split, indent=indent, ensure_ascii=indent is None, allow_nan=False))
    write_samples(path)
    options = {"filter_cfg": filter_cfg, "test_mode": test_mode, "indices": indices, "serialize_data": False}
    stock, mapped = (build(path, mapped, "in/", **options) for mapped in (False, True))
    assert all_samples(mapped) == all_samples(stock)
    assert (mapped.cat_ids, mapped.cat2label, mapped.metainfo) == (stock.cat_ids, stock.cat2label, stock.metainfo)


def test_all_samples_of_the_demo_equal_those_of_mmdetection(tmp_path: Path) -> None:
    assert mini_coco.main(["--out", str(tmp_path)]) == 0
    assert prepare_mini(tmp_path, tmp_path / "ready")["ok"]
    data = PreparedData.at(tmp_path / "ready")
    for split, options in (("train", {"filter_cfg": FILTER}), ("val", {"test_mode": True})):
        assert data.samples(split) == samples_file(data.annotations(split))
        stock, mapped = (build(data.annotations(split), mapped, "in/", **options) for mapped in (False, True))
        assert len(mapped) > 20
        assert all_samples(mapped) == all_samples(stock)
        assert mapped.get_data_info(-1) == stock.get_data_info(-1)
        assert all_samples(mapped.get_subset([3, 1])) == all_samples(stock.get_subset([3, 1]))
        assert all_samples(pickle.loads(pickle.dumps(mapped))) == all_samples(copy.deepcopy(mapped))


def test_samples_follow_what_the_preparation_changes(tmp_path: Path) -> None:
    own = OwnData(tmp_path, changes={"masks": "from-boxes", "skipBadImages": ["2.jpg"]})
    own.train["annotations"] += [{**annotate(1, 77), "area": "300", "segmentation": []}]
    assert own.prepare()["ok"]
    stock, mapped = (build(own.into / "train.json", mapped, filter_cfg=FILTER) for mapped in (False, True))
    assert len(mapped) == 1
    assert all_samples(mapped) == all_samples(stock)
    assert mapped.get_data_info(0)["instances"][1]["mask"] == [[5, 5, 25, 5, 25, 20, 5, 20]]


def test_other_classes_and_damaged_files_are_refused(tmp_path: Path) -> None:
    own = OwnData(tmp_path)
    assert own.prepare()["ok"]
    path = own.into / "train.json"
    path.write_text(path.read_text().replace("bolt", "screw"))
    with pytest.raises(ValueError, match=r"expected the classes \('bolt', 'nut'\)"):
        build(path, mapped=True)
    content = samples_file(path).read_bytes()
    for damaged in (content[:-1], content[:20], b"x" + content[1:]):
        samples_file(path).write_bytes(damaged)
        with pytest.raises(ValueError, match="hold complete samples"):
            Samples(samples_file(path))


def test_no_record_stays_in_memory(tmp_path: Path) -> None:
    own = OwnData(tmp_path)
    assert own.prepare()["ok"]
    mapped = build(own.into / "train.json", mapped=True)
    assert isinstance(mapped.data_list, np.ndarray)
    assert not hasattr(mapped, "coco") and not hasattr(mapped, "data_bytes")
    assert not mapped._samples.index.flags.owndata
