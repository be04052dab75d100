"""Tests error types on minimal cases with an unambiguous result. Boxes have 40 x 40 pixels if not stated otherwise."""

from typing import Any

import numpy as np
import pytest

from everswin_trainer.analysis.error_types import KINDS, OUTCOMES, analyze_errors, classify_detections, costs
from everswin_trainer.analysis.ground_truth import GroundTruth
from everswin_trainer.analysis.matching import match

CAT, DOG = 3, 8
HERE, THERE = [10.0, 10.0, 40.0, 40.0], [100.0, 100.0, 40.0, 40.0]
# IoU with HERE: 0.5385 and 0.25.
ENOUGH, TOO_LITTLE = [22.0, 10.0, 40.0, 40.0], [34.0, 10.0, 40.0, 40.0]


def truth_of(*objects: tuple[int, list[float], bool]) -> GroundTruth:
    annotations = [
        {"id": n, "image_id": 1, "category_id": category, "bbox": box, "area": box[2] * box[3], "iscrowd": int(crowd)}
        for n, (category, box, crowd) in enumerate(objects)
    ]
    labels = [(CAT, DOG).index(one["category_id"]) for one in annotations]
    return GroundTruth(
        [{"id": 1, "width": 200, "height": 200, "file_name": "1.jpg"}],
        [{"id": CAT, "name": "cat"}, {"id": DOG, "name": "dog"}],
        annotations,
        np.zeros(len(objects), np.int32),
        np.array(labels, np.int32),
        np.array([crowd for _, _, crowd in objects], bool),
        np.array([one["area"] for one in annotations], np.float64),
    )


def results(*detections: tuple[int, list[float], float]) -> list[dict[str, Any]]:
    return [{"image_id": 1, "category_id": c, "bbox": box, "score": score} for c, box, score in detections]


def outcomes(truth: GroundTruth, detections: list[dict[str, Any]], least: float = 0.3) -> tuple[list[str], list[bool]]:
    """Returns the outcome of each detection by descending score, and whether each object was missed."""
    classified = classify_detections(truth, match(truth, detections, "bbox"), least)
    return [OUTCOMES[one] for one in classified.outcome], classified.missed.tolist()


ONE_CAT = truth_of((CAT, HERE, False))


@pytest.mark.parametrize(
    ("box", "category", "expected"),
    [
        (ENOUGH, CAT, "correct"),
        (TOO_LITTLE, CAT, "localization"),
        (ENOUGH, DOG, "class"),
        (TOO_LITTLE, DOG, "both"),
        (THERE, CAT, "background"),
        (THERE, DOG, "background"),
    ],
)
def test_a_detection_is_classified_by_its_overlap_and_class(box: list[float], category: int, expected: str) -> None:
    assert outcomes(ONE_CAT, results((category, box, 0.9)))[0] == [expected]


def test_the_second_detection_of_an_object_is_a_duplicate_even_with_a_larger_overlap() -> None:
    detections = results((CAT, ENOUGH, 0.9), (CAT, HERE, 0.8))
    assert outcomes(ONE_CAT, detections) == (["correct", "duplicate"], [False])


def test_a_detection_matches_the_last_object_when_overlaps_are_equal() -> None:
    first, last, between = [10.0, 10.0, 40.0, 40.0], [30.0, 10.0, 40.0, 40.0], [20.0, 10.0, 40.0, 40.0]
    truth = truth_of((CAT, first, False), (CAT, last, False))
    assert outcomes(truth, results((CAT, between, 0.9), (CAT, first, 0.8)))[0] == ["correct", "correct"]
    assert outcomes(truth, results((CAT, between, 0.9), (CAT, last, 0.8)))[0] == ["correct", "duplicate"]


@pytest.mark.parametrize(
    ("detections", "missed"),
    [
        ([], True),
        ([(CAT, THERE, 0.9)], True),
        ([(DOG, TOO_LITTLE, 0.9)], True),
        ([(CAT, TOO_LITTLE, 0.9)], False),
        ([(DOG, HERE, 0.9)], False),
    ],
)
def test_an_object_is_missed_when_no_localization_or_class_error_refers_to_it(detections: Any, missed: bool) -> None:
    assert outcomes(ONE_CAT, results(*detections))[1] == [missed]


def test_detections_below_the_score_threshold_are_uncounted() -> None:
    assert outcomes(ONE_CAT, results((CAT, HERE, 0.29))) == (["uncounted"], [True])


def test_detections_on_crowds_are_ignored_and_crowds_are_never_missed() -> None:
    crowd = truth_of((CAT, HERE, True))
    assert outcomes(crowd, results((CAT, HERE, 0.9), (CAT, HERE, 0.8))) == (["ignored", "ignored"], [False])


def test_errors_are_counted_by_object_size_or_else_by_detection_size() -> None:
    small, large = [150.0, 20.0, 20.0, 20.0], [60.0, 60.0, 120.0, 120.0]
    truth = truth_of((CAT, HERE, False), (DOG, small, False), (DOG, large, False), (CAT, THERE, True))
    detections = results((CAT, HERE, 0.9), (DOG, [150.0, 32.0, 20.0, 20.0], 0.8), (CAT, [0.0, 190.0, 9.0, 9.0], 0.7))
    analyzed = analyze_errors(truth, match(truth, detections, "bbox"), 0.3)
    assert analyzed["objects"] == {"small": 1, "medium": 1, "large": 1}
    assert analyzed["found"] == {"small": 0, "medium": 1, "large": 0}
    counts = {kind: analyzed["kinds"][kind]["count"] for kind in KINDS}
    assert counts["localization"] == {"small": 1, "medium": 0, "large": 0}
    assert counts["background"] == {"small": 1, "medium": 0, "large": 0}
    assert counts["missed"] == {"small": 0, "medium": 0, "large": 1}
    assert all(sum(counts[kind].values()) == 0 for kind in ("class", "both", "duplicate"))


def test_the_cost_of_an_error_type_is_the_ap50_gained_by_fixing_it() -> None:
    # A detection in the wrong place precedes the correct one of the cat. The dog is detected only as a cat.
    truth = truth_of((CAT, HERE, False), (DOG, THERE, False))
    detections = results((CAT, [160.0, 10.0, 40.0, 40.0], 0.9), (CAT, HERE, 0.8), (CAT, THERE, 0.1))
    matches = match(truth, detections, "bbox")
    lost = costs(truth, matches, classify_detections(truth, matches, 0.0))
    assert lost == pytest.approx(
        {"localization": 0, "class": 0.5, "both": 0, "duplicate": 0, "background": 0.25, "missed": 0}
    )


def test_an_error_is_fixed_by_removal_when_its_object_is_found_otherwise() -> None:
    truth = truth_of((CAT, HERE, False), (CAT, THERE, False))
    matches = match(truth, results((CAT, HERE, 0.9), (CAT, TOO_LITTLE, 0.8)), "bbox")
    # The error does not match the other cat instead.
    assert costs(truth, matches, classify_detections(truth, matches, 0.0))["localization"] == 0


def test_a_missed_object_lowers_the_recall_of_its_class() -> None:
    truth = truth_of((CAT, HERE, False), (CAT, THERE, False))
    matches = match(truth, results((CAT, HERE, 0.9)), "bbox")
    # 51 of 101 recalls have precision 1.
    assert costs(truth, matches, classify_detections(truth, matches, 0.0))["missed"] == pytest.approx(50 / 101)


def test_costs_are_null_without_objects_and_zero_without_detections() -> None:
    empty = truth_of()
    matches = match(empty, [], "bbox")
    assert set(costs(empty, matches, classify_detections(empty, matches, 0.0)).values()) == {None}
    matches = match(ONE_CAT, [], "bbox")
    assert classify_detections(ONE_CAT, matches, 0.0).missed.tolist() == [True]
    assert set(costs(ONE_CAT, matches, classify_detections(ONE_CAT, matches, 0.0)).values()) == {0.0}
