"""COCO scores under the names of the contract, from the results of a validation and from detections on disk."""

from pathlib import Path
from typing import Any

# MMDetection wraps these classes. Imported from pycocotools because importing MMDetection takes seconds.
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from everswin_trainer.metrics.scoring_truth import ScoringTruth

IOU_TYPES = ("bbox", "segm")
# MMDetection's proposal_nums. They make COCOeval compute AP at 100 detections per image, AP50 to APl at 1000.
MAX_DETECTIONS = (100, 300, 1000)
# The order of COCOeval.stats.
AP_NAMES = ("AP", "AP50", "AP75", "APs", "APm", "APl")
AR_NAMES = ("AR100", "AR300", "AR1000", "ARs", "ARm", "ARl")
MMDET_NAMES = dict(zip(AP_NAMES, ("mAP", "mAP_50", "mAP_75", "mAP_s", "mAP_m", "mAP_l"), strict=True))
# Value of COCOeval for a score without ground truth.
NO_GROUND_TRUTH = -1

Scores = dict[str, float | None]


def scores_of_validation(metrics: dict[str, Any], annotations: Path) -> dict[str, Scores]:
    """Returns `bbox` and `segm` of a `validation` event, six scores each, from the result of the metric.

    The result is empty if nothing was detected; then it returns the scores of an empty list of detections.
    """
    if not metrics:
        empty = evaluate(ScoringTruth.load(annotations), {iou_type: [] for iou_type in IOU_TYPES})
        return {iou_type: {name: empty[iou_type][name] for name in AP_NAMES} for iou_type in IOU_TYPES}
    return {
        iou_type: {name: score_of(metrics[f"coco/{iou_type}_{mmdet}"]) for name, mmdet in MMDET_NAMES.items()}
        for iou_type in IOU_TYPES
    }


def evaluate(truth: ScoringTruth, detections: dict[str, list[dict[str, Any]]]) -> dict[str, Scores]:
    """Returns the twelve COCO scores of each IoU type, unrounded and equal to those of MMDetection's CocoMetric.

    `detections` maps `bbox` and `segm` to COCO's results format, with the ids of the annotation file. A score without
    ground truth is None.
    """
    return {iou_type: _evaluate_one(truth, detections[iou_type], iou_type) for iou_type in IOU_TYPES}


def _evaluate_one(truth: ScoringTruth, results: list[dict[str, Any]], iou_type: str) -> Scores:
    # Masks without boxes: if a result has a box, pycocotools uses the area of the box as the object's size.
    shapes = truth.renumber(results, "bbox" if iou_type == "bbox" else "segmentation")
    # pycocotools replaces masks of its annotations, so it gets copies.
    objects = _index(truth, [dict(one) for one in truth.dataset["annotations"]])
    # pycocotools cannot load an empty list of results.
    detected = objects.loadRes(shapes) if shapes else _index(truth, [])
    evaluation = COCOeval(objects, detected, iou_type)
    evaluation.params.maxDets = list(MAX_DETECTIONS)
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    names = AP_NAMES + AR_NAMES
    return {name: score_of(float(value)) for name, value in zip(names, evaluation.stats, strict=True)}


def _index(truth: ScoringTruth, annotations: list[dict[str, Any]]) -> COCO:
    """Returns pycocotools' form of the images and categories with these annotations."""
    indexed = COCO()
    indexed.dataset = {**truth.dataset, "annotations": annotations}
    indexed.createIndex()
    return indexed


def score_of(value: float) -> float | None:
    """Returns a score of COCOeval, or None if there is no ground truth."""
    return None if value == NO_GROUND_TRUTH else value
