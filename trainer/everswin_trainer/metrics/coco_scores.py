"""COCO's numbers under the names of the contract, from a validation's results and from detections on disk."""

from pathlib import Path
from typing import Any

# What MMDetection's CocoMetric wraps; imported from its source because importing MMDetection takes seconds.
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

IOU_TYPES = ("bbox", "segm")
# MMDetection's proposal_nums. With them AP is taken at 100 detections an image, AP50 to APl at 1000.
MAX_DETECTIONS = (100, 300, 1000)
# The order of COCOeval.stats.
AP_NAMES = ("AP", "AP50", "AP75", "APs", "APm", "APl")
AR_NAMES = ("AR100", "AR300", "AR1000", "ARs", "ARm", "ARl")
MMDET_NAMES = dict(zip(AP_NAMES, ("mAP", "mAP_50", "mAP_75", "mAP_s", "mAP_m", "mAP_l"), strict=True))
# COCOeval's figure where there is no ground truth to find.
NO_GROUND_TRUTH = -1

Scores = dict[str, float | None]


def scores_of_validation(metrics: dict[str, Any], annotations: Path) -> dict[str, Scores]:
    """`bbox` and `segm` of a `validation` event from what the metric returned: six each.

    It returns nothing when nothing was detected; then the scores of no detections are computed.
    """
    if not metrics:
        empty = evaluate(annotations, {iou_type: [] for iou_type in IOU_TYPES})
        return {iou_type: {name: empty[iou_type][name] for name in AP_NAMES} for iou_type in IOU_TYPES}
    return {
        iou_type: {name: score_of(metrics[f"coco/{iou_type}_{theirs}"]) for name, theirs in MMDET_NAMES.items()}
        for iou_type in IOU_TYPES
    }


def evaluate(annotations: Path, detections: dict[str, list[dict[str, Any]]]) -> dict[str, Scores]:
    """The twelve numbers of each kind of overlap, in full precision, exactly as MMDetection's CocoMetric gets them.

    `detections` maps `bbox` and `segm` to COCO's results format. None where there is no ground truth.
    """
    truth = COCO(str(annotations))
    return {iou_type: _evaluate_one(truth, detections[iou_type], iou_type) for iou_type in IOU_TYPES}


def _evaluate_one(truth: COCO, found: list[dict[str, Any]], iou_type: str) -> Scores:
    if iou_type == "segm":
        # With a box in addition to the mask, pycocotools would take object sizes from the box's area.
        found = [{key: value for key, value in one.items() if key != "bbox"} for one in found]
    evaluation = COCOeval(truth, truth.loadRes(found) if found else _no_detections(truth), iou_type)
    evaluation.params.maxDets = list(MAX_DETECTIONS)
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    names = AP_NAMES + AR_NAMES
    return {name: score_of(float(value)) for name, value in zip(names, evaluation.stats, strict=True)}


def _no_detections(truth: COCO) -> COCO:
    """Returns results without detections: pycocotools cannot load an empty list."""
    nothing = COCO()
    nothing.dataset = {"images": truth.dataset["images"], "categories": truth.dataset["categories"], "annotations": []}
    nothing.createIndex()
    return nothing


def score_of(value: float) -> float | None:
    """Returns a score of COCOeval, or None if there is no ground truth."""
    return None if value == NO_GROUND_TRUTH else value
