"""Compares pycocotools, hotcoco and a slow reference on random data, and on files that other programs write."""

import copy
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from both_evaluators import scores_of_both
from hypothesis import given, settings
from hypothesis import strategies as st
from slow_scores import slow_scores

from everswin_trainer.analysis.ground_truth import GroundTruth, run_lengths
from everswin_trainer.analysis.matching import match
from everswin_trainer.metrics.scoring_truth import ScoringTruth

KINDS = ("bbox", "segm")
# More than 96 pixels, for objects of every size class.
SIDE = 128
SIDES = st.sampled_from((1, 2, 8, 20, 31, 32, 33, 40, 96, 97, 110))
AREAS = st.sampled_from((1, 900, 32**2, 32**2 + 1, 5000, 96**2, 96**2 + 1, 12_000.5))
IDS = st.integers(-(2**63), 2**63 - 1)
ODD_IDS = (0, 1, -1, 2**31, 2**53, 2**53 + 1, 20240131123456123, 2**63 - 1)
Content = dict[str, Any]
Detections = dict[str, list[dict[str, Any]]]


@st.composite
def boxes(draw: st.DrawFn) -> list[int]:
    width, height = draw(SIDES), draw(SIDES)
    return [draw(st.integers(0, SIDE - width)), draw(st.integers(0, SIDE - height)), width, height]


@st.composite
def samples(draw: st.DrawFn, distinct: bool = False) -> tuple[Content, Detections]:
    """Draws valid ground truth and detections near its objects; `distinct` scores differ."""
    images = [{"id": number, "width": SIDE, "height": SIDE} for number in range(1, 1 + draw(st.integers(1, 3)))]
    categories = [{"id": number, "name": f"class {number}"} for number in range(1, 1 + draw(st.integers(1, 3)))]
    places = st.fixed_dictionaries(
        {"image_id": st.integers(1, len(images)), "category_id": st.integers(1, len(categories))}
    )
    annotations, found = [], []
    for number in range(draw(st.integers(0, 5))):
        box, place, crowd = draw(boxes()), draw(places), draw(st.sampled_from((0, 0, 0, 1)))
        annotation = {"id": number + 1, **place, "bbox": box, "area": draw(AREAS), "iscrowd": crowd}
        annotations.append({**annotation, "segmentation": polygons(box) if draw(st.booleans()) else counts(box)})
        found += [(place, shifted(box, draw(st.integers(-4, 4)))) for _ in range(draw(st.integers(0, 2)))]
    found += [(draw(places), draw(boxes())) for _ in range(draw(st.integers(1, 3)))]
    found = draw(st.permutations(found))
    scores = [(number + 1) / 64 for number in draw(st.permutations(range(len(found))))]
    if not distinct:
        scores = draw(st.lists(st.sampled_from((0.1, 0.5, 0.9)), min_size=len(found), max_size=len(found)))
    results = [{**place, "bbox": box, "score": score} for (place, box), score in zip(found, scores, strict=True)]
    # Some masks are smaller than their boxes, and then of another size class.
    masks = [draw(st.sampled_from((polygons, counts)))(box) for _, box in found]
    return {"images": images, "categories": categories, "annotations": annotations}, with_masks(results, masks)


def shifted(box: list[int], by: int) -> list[int]:
    x, y, width, height = box
    return [min(max(0, x + by), SIDE - width), y, width, height]


def polygons(box: list[int]) -> list[list[int]]:
    x, y, width, height = box
    return [[x, y, x + width, y, x + width, y + height, x, y + height]]


def counts(box: list[int]) -> dict[str, Any]:
    """Returns uncompressed run lengths of a box without its upper left quarter."""
    x, y, width, height = box
    mask = np.zeros((SIDE, SIDE), bool)
    mask[y : y + height, x : x + width] = True
    mask[y : y + height // 2, x : x + width // 2] = False
    edges = np.flatnonzero(np.diff(mask.reshape(-1, order="F"), prepend=False))
    return {"size": [SIDE, SIDE], "counts": np.diff(edges, prepend=0, append=SIDE * SIDE).tolist()}


def with_masks(results: list[dict[str, Any]], masks: list[Any]) -> Detections:
    segm = []
    for one, mask in zip(results, masks, strict=True):
        lengths = run_lengths(mask, SIDE, SIDE)
        segm.append({**one, "segmentation": {"size": lengths["size"], "counts": lengths["counts"].decode()}})
    return {"bbox": results, "segm": segm}


def renumbered(content: Content, detections: Detections, images: list[int], categories: list[int]) -> Any:
    """Returns both with new ids of images and categories, by position."""

    def moved(one: dict[str, Any]) -> dict[str, Any]:
        return {
            **one,
            "image_id": images[one["image_id"] - 1],
            "category_id": categories[one["category_id"] - 1],
        }

    return {
        "images": [{**one, "id": new} for one, new in zip(content["images"], images, strict=True)],
        "categories": [{**one, "id": new} for one, new in zip(content["categories"], categories, strict=True)],
        "annotations": [moved(one) for one in content["annotations"]],
    }, {kind: [moved(one) for one in detections[kind]] for kind in KINDS}


def distinct_ids(count: int) -> st.SearchStrategy[list[int]]:
    return st.lists(st.one_of(IDS, st.sampled_from(ODD_IDS)), min_size=count, max_size=count, unique=True)


def assert_close(actual: Any, expected: Any) -> None:
    for kind in KINDS:
        assert actual[kind] == pytest.approx(expected[kind], abs=1e-9), kind


# The same examples in each run, and no database of examples in the checkout.
FAST = settings(deadline=None, derandomize=True, database=None)


@settings(FAST, max_examples=200)
@given(samples())
def test_both_evaluators_agree_with_the_slow_reference(sample: tuple[Content, Detections]) -> None:
    published, quick = scores_of_both(*sample)
    assert_close(published, slow_scores(*sample))
    assert_close(quick, published)


@settings(FAST, max_examples=50)
@given(samples(), st.data())
def test_scores_stay_equal_when_ids_keep_their_order(sample: tuple[Content, Detections], data: st.DataObject) -> None:
    content, detections = sample
    new = [sorted(data.draw(distinct_ids(len(content[part])))) for part in ("images", "categories")]
    changed, found = renumbered(content, detections, *new)
    annotation_ids = data.draw(distinct_ids(len(content["annotations"])))
    changed["annotations"] = [
        {**one, "id": key} for one, key in zip(changed["annotations"], annotation_ids, strict=True)
    ]
    changed["images"] = data.draw(st.permutations(changed["images"]))
    changed["categories"] = data.draw(st.permutations(changed["categories"]))
    assert scores_of_both(changed, found) == scores_of_both(content, detections)


@settings(FAST, max_examples=50)
@given(samples(distinct=True), st.data())
def test_scores_stay_equal_when_ids_change_their_order(sample: tuple[Content, Detections], data: st.DataObject) -> None:
    content, detections = sample
    new = [data.draw(distinct_ids(len(content[part]))) for part in ("images", "categories")]
    changed = scores_of_both(*renumbered(content, detections, *new))
    for actual, expected in zip(changed, scores_of_both(content, detections), strict=True):
        assert_close(actual, expected)


def perfect(ids: tuple[int, ...] = (1, 2), image: int = 1) -> tuple[Content, Detections]:
    """Returns objects and one perfect detection of each."""
    found, annotations = [], []
    for number, key in enumerate(ids):
        box = [10 + 40 * number, 10, 30, 30]
        annotation = {"id": key, "image_id": image, "category_id": 1, "bbox": box, "area": 900, "iscrowd": 0}
        annotations.append({**annotation, "segmentation": polygons(box)})
        found.append({"image_id": image, "category_id": 1, "bbox": box, "score": 0.9 - 0.01 * number})
    content = {
        "images": [{"id": image, "file_name": "a.jpg", "width": SIDE, "height": SIDE}],
        "annotations": annotations,
        "categories": [{"id": 1, "name": "x"}],
    }
    return content, with_masks(found, [polygons(one["bbox"]) for one in found])


def assert_perfect(content: Content, detections: Detections, tmp_path: Path) -> None:
    """Writes the annotations, and checks that both evaluators and the analysis find every detection correct."""
    path = tmp_path / "annotations.json"
    path.write_text(json.dumps(content))
    for scores in scores_of_both(json.loads(path.read_bytes()), detections):
        for kind in KINDS:
            assert scores[kind]["AP"] == pytest.approx(1)
            assert scores[kind]["AR100"] == pytest.approx(1)
    truth = GroundTruth.load(path)
    assert all(match(truth, detections[kind], kind).correct.all() for kind in KINDS)


@pytest.mark.parametrize("ids", [(0,), (0, 1), (0, 1, 2), (2, 1, 0), (-1, 0), (2**53 + 1, 2**53 + 2), (2**63 - 1, 0)])
def test_annotation_id_does_not_affect_scores(ids: tuple[int, ...], tmp_path: Path) -> None:
    assert_perfect(*perfect(ids), tmp_path)


@pytest.mark.parametrize("image", ODD_IDS)
def test_image_id_does_not_affect_scores(image: int, tmp_path: Path) -> None:
    assert_perfect(*perfect(image=image), tmp_path)


def test_image_ids_that_are_equal_as_float64_stay_distinct(tmp_path: Path) -> None:
    content, detections = perfect((1,), 2**53)
    other, found = perfect((2,), 2**53 + 1)
    merged = {part: content[part] + other[part] for part in ("images", "annotations")}
    detections = {kind: detections[kind] + found[kind] for kind in KINDS}
    assert_perfect({**merged, "categories": content["categories"]}, detections, tmp_path)


ODD_VALUES = (None, "", "2024", 0, -1, 2**70, 0.5, math.nan, [], {"id": [1]})
OPTIONAL_FIELDS = {
    "info": ("year", "version", "description", "contributor", "url", "date_created", "extra"),
    "licenses": ("id", "name", "url", "extra"),
    "images": (
        *("license", "coco_url", "flickr_url", "date_captured", "neg_category_ids", "not_exhaustive_category_ids"),
        "extra",
    ),
    "annotations": (
        *("attributes", "score", "ignore", "keypoints", "num_keypoints", "caption", "segments_info", "obb"),
        *("is_group_of", "extra"),
    ),
    "categories": ("supercategory", "color", "keypoints", "skeleton", "frequency", "extra"),
}
FIELDS = [(part, field) for part, fields in OPTIONAL_FIELDS.items() for field in fields]


@pytest.mark.parametrize(("part", "field"), FIELDS, ids=[".".join(one) for one in FIELDS])
def test_optional_field_of_any_value_does_not_reach_the_evaluators(part: str, field: str) -> None:
    content, _ = perfect()
    expected = ScoringTruth.reduce(content)
    for value in ODD_VALUES:
        changed = {"info": {}, "licenses": [{}], **copy.deepcopy(content)}
        records = [changed[part]] if part == "info" else changed[part]
        for one in records:
            one[field] = value
        assert ScoringTruth.reduce(changed) == expected, value


@pytest.mark.parametrize("part", ["info", "licenses", "videos", "type"])
def test_optional_part_of_any_value_does_not_reach_the_evaluators(part: str) -> None:
    content, _ = perfect()
    for value in ODD_VALUES:
        assert ScoringTruth.reduce({**content, part: value}) == ScoringTruth.reduce(content), value


def test_export_with_empty_info_and_numeric_dates_gets_scores(tmp_path: Path) -> None:
    # CVAT, Datumaro and Roboflow write such files.
    content, detections = perfect()
    content["info"] = {"year": "", "version": "", "description": "", "contributor": "", "url": "", "date_created": ""}
    content["licenses"] = [{"name": "", "id": 0, "url": ""}]
    for image in content["images"]:
        image.update(license=0, flickr_url="", coco_url="", date_captured=0)
    for annotation in content["annotations"]:
        annotation.update(attributes={"occluded": False}, ignore=1)
    content["categories"][0]["supercategory"] = None
    assert_perfect(content, detections, tmp_path)


def test_missing_crowd_flag_means_no_crowd(tmp_path: Path) -> None:
    content, detections = perfect()
    for annotation in content["annotations"]:
        del annotation["iscrowd"]
    assert_perfect(content, detections, tmp_path)


def test_run_lengths_reach_the_evaluators_without_additional_fields() -> None:
    content, _ = perfect((1,))
    content["annotations"][0]["segmentation"] = {**counts([10, 10, 30, 30]), "rotation": math.nan}
    [annotation] = ScoringTruth.reduce(content).dataset["annotations"]
    assert annotation["segmentation"] == counts([10, 10, 30, 30])
