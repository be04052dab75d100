"""Compares our matches with pycocotools on the miniature COCO, with a crowd, equal scores and an absent class."""

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from both_evaluators import scores_of_both
from noisy import detect
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from everswin_trainer.analysis.analyze import precision_of_classes
from everswin_trainer.analysis.ground_truth import GroundTruth
from everswin_trainer.analysis.matching import match
from everswin_trainer.analysis.resampling import draws, resample
from everswin_trainer.metrics.coco_scores import AP_NAMES, AR_NAMES

KINDS = ("bbox", "segm")
Detections = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def content(mini_files: dict[str, bytes]) -> dict[str, Any]:
    """Returns the annotations of the validation set, with ids out of order and a class without objects."""
    content = copy.deepcopy(json.loads(mini_files["val.json"]))
    content["categories"].append({"id": 2, "name": "absent"})
    content["images"].reverse()
    return content


@pytest.fixture(scope="module")
def detections(content: dict[str, Any]) -> Detections:
    few = detect(content, seed=1)
    crowded = detect({**content, "images": content["images"][:1]}, seed=2, per_image=450)
    return {kind: few[kind] + crowded[kind] for kind in KINDS}


def written(content: dict[str, Any], folder: Path) -> Path:
    path = folder / "annotations.json"
    path.write_text(json.dumps(content))
    return path


def by_pycocotools(annotations: Path, detections: Detections, kind: str) -> np.ndarray:
    """Returns precision at 100 detections (classes in file order, IoUs, recalls); NaN without ground truth."""
    truth = COCO(str(annotations))
    results = [
        {key: value for key, value in one.items() if kind == "bbox" or key != "bbox"} for one in detections[kind]
    ]
    evaluation = COCOeval(truth, truth.loadRes(results), kind)
    evaluation.evaluate()
    evaluation.accumulate()
    precision = evaluation.eval["precision"][:, :, :, 0, 2]
    ids = [one["id"] for one in truth.dataset["categories"]]
    ordered = precision[:, :, [evaluation.params.catIds.index(one) for one in ids]]
    return np.where(ordered == -1, np.nan, ordered).transpose(2, 0, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_precisions_of_every_class_equal_those_of_pycocotools(
    content: dict[str, Any], detections: Detections, kind: str, tmp_path: Path
) -> None:
    annotations = written(content, tmp_path)
    truth = GroundTruth.load(annotations)
    ours, theirs = (
        precision_of_classes(truth, match(truth, detections[kind], kind)),
        by_pycocotools(annotations, detections, kind),
    )
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)
    assert np.isnan(ours[-1]).all(), "the class without objects"
    assert 0.05 < np.nanmean(ours) < 0.95


@pytest.mark.parametrize("kind", KINDS)
def test_scores_of_a_resample_equal_pycocotools_on_the_resampled_data_set(
    content: dict[str, Any], detections: Detections, kind: str, tmp_path: Path
) -> None:
    # Avoids equal scores: pycocotools would order the copies of an image after all other images.
    detections = copy.deepcopy(detections)
    for number, one in enumerate(detections[kind]):
        one["score"] = float(np.random.default_rng(number).random())
    truth = GroundTruth.load(written(content, tmp_path))
    scores = resample(truth, match(truth, detections[kind], kind), 2, lambda: None)
    for number, weights in enumerate(next(draws(len(truth.images), 2))):
        drawn, results = repeated(content, detections[kind], dict(zip([one["id"] for one in truth.images], weights)))  # noqa: B905
        theirs = by_pycocotools(written(drawn, tmp_path), {kind: results}, kind)
        assert weights.sum() == len(truth.images)
        assert scores["AP"][number] == pytest.approx(np.nanmean(theirs), abs=1e-12)
        assert scores["AP75"][number] == pytest.approx(np.nanmean(theirs[:, 5]), abs=1e-12)
        np.testing.assert_allclose(scores["classes"][:, number], theirs.mean(axis=(1, 2)), rtol=0, atol=1e-12)


def repeated(
    content: dict[str, Any], results: list[dict[str, Any]], times: dict[int, int]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Returns a data set and results with each image repeated `times`, under new ids."""
    drawn: dict[str, Any] = {"images": [], "annotations": [], "categories": content["categories"]}
    copies: list[dict[str, Any]] = []
    for image in content["images"]:
        for copy_number in range(times[image["id"]]):
            new = {"image_id": 1000 * copy_number + image["id"]}
            drawn["images"].append({**image, "id": new["image_id"]})
            for one in content["annotations"]:
                if one["image_id"] == image["id"]:
                    drawn["annotations"].append({**one, **new, "id": 1 + len(drawn["annotations"])})
            copies += [{**one, **new} for one in results if one["image_id"] == image["id"]]
    return drawn, copies


def test_all_24_scores_of_hotcoco_equal_those_of_pycocotools(content: dict[str, Any], detections: Detections) -> None:
    # Adds object sizes that the miniature COCO lacks.
    content = copy.deepcopy(content)
    for one, area in zip(content["annotations"], (500, 20_000, 900), strict=False):
        one["area"] = area
    truth, quick = scores_of_both(content, detections)
    for kind in KINDS:
        assert tuple(quick[kind]) == AP_NAMES + AR_NAMES
        assert None not in truth[kind].values()
        assert quick[kind] == pytest.approx(truth[kind], abs=1e-9)


def test_ap_counts_at_most_100_detections_per_class_and_image_in_both_evaluators(content: dict[str, Any]) -> None:
    content = {**content, "images": content["images"][-3:]}
    shown = {one["id"] for one in content["images"]}
    content["annotations"] = [one for one in content["annotations"] if one["image_id"] in shown]
    detections = detect(content, seed=2, per_image=900)
    truth, quick = scores_of_both(content, detections)
    assert quick == {kind: pytest.approx(truth[kind], abs=1e-9) for kind in KINDS}


def test_hotcoco_scores_are_null_without_ground_truth(content: dict[str, Any], detections: Detections) -> None:
    truth, quick = scores_of_both({**content, "annotations": []}, detections)
    assert quick == truth
    assert set(quick["bbox"].values()) == {None}
