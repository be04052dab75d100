"""Tests confusion cells and thresholds on minimal cases with known counts. Boxes have 40 x 40 pixels."""

from typing import Any

import numpy as np
import pytest
from test_error_types import CAT, DOG, ENOUGH, HERE, ONE_CAT, THERE, TOO_LITTLE, results, truth_of

from everswin_trainer.analysis.confusion import confusion_cells
from everswin_trainer.analysis.matching import match
from everswin_trainer.analysis.thresholds import ThresholdCounts, overall, suggest

# Indices of the classes in the matrix.
CAT_LABEL, DOG_LABEL, BACKGROUND = 0, 1, 2


def cells(truth: Any, *detections: tuple[int, list[float], float]) -> list[list[int]]:
    return sorted(confusion_cells(truth, match(truth, results(*detections), "bbox"), 0.3))


@pytest.mark.parametrize(
    ("detections", "expected"),
    [
        ([(CAT, ENOUGH, 0.9)], [[CAT_LABEL, CAT_LABEL, 1]]),
        ([(DOG, ENOUGH, 0.9)], [[CAT_LABEL, DOG_LABEL, 1]]),
        ([(CAT, TOO_LITTLE, 0.9)], [[CAT_LABEL, BACKGROUND, 1], [BACKGROUND, CAT_LABEL, 1]]),
        ([(CAT, HERE, 0.29)], [[CAT_LABEL, BACKGROUND, 1]]),
        # The higher score takes the object, whatever its class and overlap.
        ([(DOG, ENOUGH, 0.9), (CAT, HERE, 0.8)], [[CAT_LABEL, DOG_LABEL, 1], [BACKGROUND, CAT_LABEL, 1]]),
        ([], [[CAT_LABEL, BACKGROUND, 1]]),
    ],
)
def test_confusion_counts_one_cat_by_score_overlap_and_class(detections: Any, expected: list[list[int]]) -> None:
    assert cells(ONE_CAT, *detections) == expected


def test_confusion_ignores_crowds_and_detections_on_them() -> None:
    crowd = truth_of((CAT, HERE, True), (DOG, THERE, False))
    detections = [(CAT, HERE, 0.9), (CAT, HERE, 0.8), (DOG, THERE, 0.7)]
    assert cells(crowd, *detections) == [[DOG_LABEL, DOG_LABEL, 1]]
    assert cells(truth_of()) == []


def test_confusion_keeps_the_unmatched_object_for_a_lower_score() -> None:
    near = [14.0, 10.0, 40.0, 40.0]
    truth = truth_of((CAT, HERE, False), (DOG, near, False))
    assert cells(truth, (CAT, HERE, 0.9), (DOG, HERE, 0.8)) == [
        [CAT_LABEL, CAT_LABEL, 1],
        [DOG_LABEL, DOG_LABEL, 1],
    ]


def test_thresholds_count_correct_and_wrong_detections_of_each_class() -> None:
    truth = truth_of((CAT, HERE, False), (CAT, THERE, False), (DOG, [150.0, 20.0, 40.0, 40.0], False))
    far = [60.0, 150.0, 40.0, 40.0]
    detections = results((CAT, HERE, 0.9), (CAT, far, 0.5), (CAT, THERE, float(np.float32(0.3))))
    counts = ThresholdCounts.of(truth, match(truth, detections, "bbox"))
    cat = counts.of_class(CAT_LABEL)
    assert [cat["correct"][at] for at in (0, 30, 31, 90, 91)] == [2, 2, 1, 1, 0]
    assert [cat["wrong"][at] for at in (50, 51)] == [1, 0]
    scores = counts.scores()
    # At 0.3: 2 of 3 detections are correct, both cats are found. From 0.51 on: 1 of 1, and 1 of 2.
    assert scores["precision"][CAT_LABEL, [30, 60, 95]] == pytest.approx([2 / 3, 1, 1])
    assert scores["recall"][CAT_LABEL, [30, 60, 95]] == pytest.approx([1, 0.5, 0])
    assert scores["f1"][CAT_LABEL, [30, 60]] == pytest.approx([0.8, 2 / 3])
    best = suggest(**{name: one[CAT_LABEL] for name, one in scores.items()})
    assert best == {"score": 0.15, "precision": 0.6667, "recall": 1.0, "f1": 0.8}
    assert suggest(**{name: one[DOG_LABEL] for name, one in scores.items()}) is None
    means = overall(scores)
    assert means
    assert (means["recall"][30], means["f1"][30]) == (0.5, 0.4)


def test_thresholds_are_null_without_objects() -> None:
    empty = truth_of()
    scores = ThresholdCounts.of(empty, match(empty, results((CAT, HERE, 0.9)), "bbox")).scores()
    assert overall(scores) is None
    assert suggest(**{name: one[CAT_LABEL] for name, one in scores.items()}) is None
