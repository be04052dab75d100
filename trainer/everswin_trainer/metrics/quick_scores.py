"""COCO's twelve numbers by hotcoco: for the validation of each epoch, in seconds instead of a minute and more.

What is published comes from pycocotools (coco_scores.py), with which these agree to the last digits
(docs/benchmarks.md).
"""

import warnings
from pathlib import Path
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


def evaluate_quickly(annotations: Path, rows: np.ndarray, masks: list[dict[str, Any]]) -> dict[str, Scores]:
    """`rows` (n, 7) float64: image id, x, y, width, height, score, category id; `masks` their run lengths. n > 0."""
    truth = hotcoco.COCO(str(annotations))
    boxes, with_masks = truth.load_res(rows), truth.load_res(rows, segmentation=masks)
    # Of a row hotcoco takes the box's area; pycocotools sorts masks into sizes by their own.
    with_masks.update_anns(ids=np.arange(1, len(rows) + 1), area=np.asarray(hotcoco.mask.area(masks), np.float64))
    return {kind: _scores(truth, found, kind) for kind, found in zip(IOU_TYPES, (boxes, with_masks), strict=True)}


def _scores(truth: hotcoco.COCO, found: hotcoco.COCO, kind: str) -> Scores:
    evaluation = hotcoco.COCOeval(truth, found, kind)
    evaluation.params.max_dets = list(MAX_DETECTIONS)
    with warnings.catch_warnings():
        # That these are not COCO's own 1, 10 and 100.
        warnings.simplefilter("ignore", UserWarning)
        evaluation.run()
    scores = dict(zip(AP_NAMES + AR_NAMES, map(float, evaluation.stats), strict=True))
    # hotcoco takes AP, too, at the last number of detections; pycocotools at the first.
    # (overlaps, recalls, classes, sizes, numbers)
    at_first = np.asarray(evaluation.eval["precision"])[:, :, :, 0, 0]
    known = at_first[at_first > NO_GROUND_TRUTH]
    scores["AP"] = float(known.mean()) if known.size else NO_GROUND_TRUTH
    return {name: score_of(value) for name, value in scores.items()}
