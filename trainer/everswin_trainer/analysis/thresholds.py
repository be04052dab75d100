"""Computes precision, recall and F1 at IoU 0.5 for each score threshold, and the threshold with the highest F1."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from everswin_trainer.analysis.ground_truth import GroundTruth
from everswin_trainer.analysis.matching import Matches
from everswin_trainer.analysis.resampling import mean_of_known

THRESHOLDS = np.linspace(0.0, 1.0, 101)
# Scores are 32-bit floats: 0.3 is stored as 0.30000001 or as 0.29999998.
TOLERANCE = 1e-6


@dataclass(frozen=True)
class ThresholdCounts:
    """Number of `correct` and `wrong` detections (classes, 101) at or above each threshold; `objects` (classes,)."""

    correct: np.ndarray
    wrong: np.ndarray
    objects: np.ndarray

    @classmethod
    def of(cls, truth: GroundTruth, matches: Matches) -> "ThresholdCounts":
        correct, counts = matches.correct[:, 0], ~matches.ignored[:, 0]

        def count(chosen: np.ndarray) -> np.ndarray:
            return np.stack([_at_least(matches.score[chosen & (matches.label == number)]) for number in classes])

        classes = range(len(truth.classes))
        return cls(count(correct), count(counts & ~correct), truth.count().sum(axis=0))

    def scores(self) -> dict[str, np.ndarray]:
        """Returns precision, recall and F1 (classes, 101); NaN without objects. Without detections, precision is 1."""
        detections, objects = self.correct + self.wrong, self.objects[:, None]
        with_objects = np.where(objects > 0, 1.0, np.nan)
        precision = np.where(detections > 0, self.correct / np.maximum(detections, 1), 1.0)
        return {
            "precision": precision * with_objects,
            "recall": self.correct / np.maximum(objects, 1) * with_objects,
            "f1": 2 * self.correct / np.maximum(detections + objects, 1) * with_objects,
        }

    def of_class(self, number: int) -> dict[str, list[int]]:
        """Returns the counts of one class, from which precision, recall and F1 follow exactly."""
        return {"correct": self.correct[number].tolist(), "wrong": self.wrong[number].tolist()}


def overall(scores: dict[str, np.ndarray]) -> dict[str, list[float]] | None:
    """Returns the means over the classes with objects; None without any."""
    means = {name: mean_of_known(one, 0) for name, one in scores.items()}
    if np.isnan(means["f1"]).any():
        return None
    return {name: [round(float(value), 4) for value in one] for name, one in means.items()}


def suggest(precision: Any, recall: Any, f1: Any) -> dict[str, float] | None:
    """Returns the threshold of the highest F1, the middle one of several; None if nothing is correct."""
    best = np.max(f1)
    if not best > 0:
        return None
    highest = np.flatnonzero(f1 == best)
    at = highest[len(highest) // 2]
    known = {"score": THRESHOLDS[at], "precision": precision[at], "recall": recall[at], "f1": best}
    return {name: round(float(value), 4) for name, value in known.items()}


def _at_least(scores: np.ndarray) -> np.ndarray:
    """Returns how many scores reach each threshold."""
    return len(scores) - np.searchsorted(np.sort(scores), THRESHOLDS - TOLERANCE)
