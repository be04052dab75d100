"""Computes the twelve COCO scores with hotcoco, for the validation of each epoch: seconds instead of over a minute.

Published scores come from pycocotools (coco_scores.py). Both agree to the last digits (test/bench/README.md).
"""

import warnings
from typing import Any

import hotcoco
import numpy as np

from everswin_trainer.metrics.coco_scores import (
    AP_NAMES,
    AR_NAMES,
    IOU_TYPES,
    MAX_DETECTIONS,
    NO_GROUND_TRUTH,
    Scores,
    score_of,
)
from everswin_trainer.metrics.scoring_truth import ScoringTruth


def evaluate_quickly(truth: ScoringTruth, rows: np.ndarray, masks: list[dict[str, Any]]) -> dict[str, Scores]:
    """Returns the twelve scores of each IoU type.

    `rows` (n, 7) float64 holds image id, x, y, width, height, score and category id, with the ids of `truth.dataset`;
    `masks` holds the run lengths of each row. n must not be 0.
    """
    objects = hotcoco.COCO(truth.dataset)
    boxes, with_masks = objects.load_res(rows), objects.load_res(rows, segmentation=masks)
    # hotcoco uses the area of the box as the size of a row; pycocotools uses that of the mask.
    with_masks.update_anns(ids=np.arange(1, len(rows) + 1), area=np.asarray(hotcoco.mask.area(masks), np.float64))
    return {
        iou_type: _scores(objects, results, iou_type)
        for iou_type, results in zip(IOU_TYPES, (boxes, with_masks), strict=True)
    }


def _scores(objects: hotcoco.COCO, results: hotcoco.COCO, iou_type: str) -> Scores:
    evaluation = hotcoco.COCOeval(objects, results, iou_type)
    evaluation.params.max_dets = list(MAX_DETECTIONS)
    with warnings.catch_warnings():
        # hotcoco warns that these are not COCO's default limits 1, 10 and 100.
        warnings.simplefilter("ignore", UserWarning)
        evaluation.run()
    scores = dict(zip(AP_NAMES + AR_NAMES, map(float, evaluation.stats), strict=True))
    # hotcoco computes AP at the last limit of detections, pycocotools at the first.
    # Axes: IoUs, recalls, classes, sizes, limits.
    precision = np.asarray(evaluation.eval["precision"])[:, :, :, 0, 0]
    known = precision[precision > NO_GROUND_TRUTH]
    scores["AP"] = float(known.mean()) if known.size else NO_GROUND_TRUTH
    return {name: score_of(value) for name, value in scores.items()}
