"""Computes the confusion matrix: which classes detections confuse with each other and with the background.

Detections that reach a score are matched by descending score with the unmatched object of largest IoU, at least 0.5,
whatever its class. A detection without an object is a false positive on the background; an object without a detection
is a miss. Ultralytics and MMDetection count in the same way, with other thresholds.
"""

from typing import Any

import numpy as np

from everswin_trainer.analysis.ground_truth import GroundTruth
from everswin_trainer.analysis.matching import NO_OBJECT, Matches

# Keeps the file small for thousands of classes; the largest counts are kept.
MAX_CELLS = 20_000


def confusion_cells(truth: GroundTruth, matches: Matches, min_score: float) -> list[list[int]]:
    """Returns [actual, predicted, count] of all cells above 0, largest first. The background follows the last class."""
    background = len(truth.classes)
    on_crowd = matches.ignored[:, 0] & (matches.any_class == NO_OBJECT)
    counted = (matches.score >= min_score) & ~on_crowd
    found = matches.any_class[counted]
    missed = ~truth.crowd
    missed[found[found != NO_OBJECT]] = False
    # NO_OBJECT is the index of the last value.
    actual = np.concatenate([np.append(truth.label, background)[found], truth.label[missed]])
    predicted = np.concatenate([matches.label[counted], np.full(missed.sum(), background)])
    pairs, counts = np.unique(np.stack([actual, predicted]), axis=1, return_counts=True)
    largest = np.argsort(-counts, kind="stable")[:MAX_CELLS]
    return [[int(pairs[0, one]), int(pairs[1, one]), int(counts[one])] for one in largest]


def confusion(truth: GroundTruth, matches: dict[str, Matches], min_score: float) -> dict[str, Any]:
    """Returns `confusion` of analysis.json."""
    return {iou_type: confusion_cells(truth, one, min_score) for iou_type, one in matches.items()}
