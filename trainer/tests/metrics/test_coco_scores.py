import json
from pathlib import Path
from typing import Any

import pytest
from pycocotools import mask as mask_codec

from everswin_trainer.metrics.coco_scores import AP_NAMES, AR_NAMES, evaluate, scores_of_validation
from everswin_trainer.metrics.scoring_truth import ScoringTruth

# A medium object of 40 x 40 pixels. The category ids have gaps as in COCO.
BOX = [10.0, 10.0, 40.0, 40.0]
OUTLINE = [[10.0, 10.0, 50.0, 10.0, 50.0, 50.0, 10.0, 50.0]]


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    annotation = {"id": 1, "image_id": 4, "category_id": 7, "bbox": BOX, "area": 1600.0, "iscrowd": 0}
    content = {
        "images": [{"id": 4, "width": 100, "height": 100, "file_name": "4.jpg"}],
        "categories": [{"id": 7, "name": "square"}],
        "annotations": [{**annotation, "segmentation": OUTLINE}],
    }
    path = tmp_path / "instances_val2017.json"
    path.write_text(json.dumps(content))
    return path


def results(box: list[float], score: float = 0.9) -> dict[str, list[dict[str, Any]]]:
    one = {"image_id": 4, "category_id": 7, "score": score, "bbox": box}
    [mask] = mask_codec.frPyObjects(OUTLINE, 100, 100)
    run_lengths = {"size": mask["size"], "counts": mask["counts"].decode()}
    return {"bbox": [one], "segm": [{**one, "segmentation": run_lengths}]}


def test_evaluate_names_all_twelve_scores_and_returns_null_without_ground_truth(truth: Path) -> None:
    scores = evaluate(ScoringTruth.load(truth), results(BOX))
    for iou_type in ("bbox", "segm"):
        assert tuple(scores[iou_type]) == AP_NAMES + AR_NAMES
        assert scores[iou_type]["AP"] == pytest.approx(1)
        assert [name for name, value in scores[iou_type].items() if value is None] == ["APs", "APl", "ARs", "ARl"]


def test_object_size_is_the_area_of_the_mask_not_of_the_box(truth: Path) -> None:
    # A box of 99 x 99 pixels is large: with its area, pycocotools would not count this detection as medium.
    scores = evaluate(ScoringTruth.load(truth), results([0.0, 0.0, 99.0, 99.0]))
    assert scores["segm"]["APm"] == pytest.approx(1)
    assert scores["bbox"]["AP"] == 0


def test_evaluate_scores_zero_when_nothing_is_detected(truth: Path) -> None:
    scores = evaluate(ScoringTruth.load(truth), {"bbox": [], "segm": []})
    assert (scores["bbox"]["AP"], scores["segm"]["APm"], scores["bbox"]["APs"]) == (0, 0, None)
    assert scores_of_validation({}, truth)["segm"] == {name: scores["segm"][name] for name in AP_NAMES}


def mmdet_metrics(value: float) -> dict[str, float]:
    names = ("mAP", "mAP_50", "mAP_75", "mAP_s", "mAP_m", "mAP_l")
    missing = ("mAP_s", "mAP_l")
    return {f"coco/{kind}_{name}": -1 if name in missing else value for kind in ("bbox", "segm") for name in names}


def test_validation_scores_are_those_of_the_metric(truth: Path) -> None:
    expected = {"AP": 0.5, "AP50": 0.5, "AP75": 0.5, "APs": None, "APm": 0.5, "APl": None}
    assert scores_of_validation(mmdet_metrics(0.5), truth) == {"bbox": expected, "segm": expected}
