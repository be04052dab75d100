"""Scores detections with pycocotools and with hotcoco."""

from typing import Any

import numpy as np

from everswin_trainer.metrics.coco_scores import Scores, evaluate
from everswin_trainer.metrics.quick_scores import evaluate_quickly
from everswin_trainer.metrics.scoring_truth import ScoringTruth


def scores_of_both(
    content: dict[str, Any], detections: dict[str, list[dict[str, Any]]]
) -> tuple[dict[str, Scores], dict[str, Scores]]:
    """Returns the scores of pycocotools and of hotcoco for parsed annotations and at least one detection."""
    truth = ScoringTruth.reduce(content)
    renumbered = truth.renumber(detections["bbox"], "bbox")
    rows = np.array([[one["image_id"], *one["bbox"], one["score"], one["category_id"]] for one in renumbered])
    quick = evaluate_quickly(truth, rows, [one["segmentation"] for one in detections["segm"]])
    return evaluate(truth, detections), quick
