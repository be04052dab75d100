"""Computes the twelve COCO scores slowly and plainly, as a reference for both evaluators.

Assumes at most 100 detections per image and class, so that the three limits of detections do not matter.
"""

from typing import Any

import numpy as np
from pycocotools import mask as mask_codec

from everswin_trainer.analysis.ground_truth import run_lengths

THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0, 1, 101)
ALL, SMALL, MEDIUM, LARGE = (0, 1e10), (0, 32**2), (32**2, 96**2), (96**2, 1e10)


def slow_scores(
    content: dict[str, Any], detections: dict[str, list[dict[str, Any]]]
) -> dict[str, dict[str, float | None]]:
    return {kind: _scores(content, detections[kind], kind) for kind in ("bbox", "segm")}


def _scores(content: dict[str, Any], results: list[dict[str, Any]], kind: str) -> dict[str, float | None]:
    sizes = {one["id"]: (one["height"], one["width"]) for one in content["images"]}
    objects = [
        {**one, "shape": _shape(one, kind, sizes[one["image_id"]]), "crowd": bool(one.get("iscrowd"))}
        for one in content["annotations"]
    ]
    found = [{**one, "shape": _shape(one, kind, sizes[one["image_id"]])} for one in results]
    for one in found:
        one["area"] = one["bbox"][2] * one["bbox"][3] if kind == "bbox" else int(one["shape"].sum())
    # Each has the precisions (classes, thresholds, recalls) and the recalls (classes, thresholds).
    of_all, small, medium, large = (
        _evaluate_range(content, objects, found, limits, kind) for limits in (ALL, SMALL, MEDIUM, LARGE)
    )
    scores = {
        "AP": _mean(of_all[0]),
        "AP50": _mean([one[0] for one in of_all[0]]),
        "AP75": _mean([one[5] for one in of_all[0]]),
        "APs": _mean(small[0]),
        "APm": _mean(medium[0]),
        "APl": _mean(large[0]),
    }
    recalls = {name: _mean(of_all[1]) for name in ("AR100", "AR300", "AR1000")}
    return {**scores, **recalls, "ARs": _mean(small[1]), "ARm": _mean(medium[1]), "ARl": _mean(large[1])}


def _mean(values: list[Any]) -> float | None:
    return float(np.mean(values)) if values else None


def _shape(one: dict[str, Any], kind: str, size: tuple[int, int]) -> Any:
    return one["bbox"] if kind == "bbox" else mask_codec.decode(run_lengths(one["segmentation"], *size)).astype(bool)


def _evaluate_range(
    content: dict[str, Any],
    objects: list[dict[str, Any]],
    found: list[dict[str, Any]],
    limits: tuple[float, float],
    kind: str,
) -> tuple[list[Any], list[Any]]:
    precisions, recalls = [], []
    for category in content["categories"]:
        ignored = {
            one["id"]: one["crowd"] or not limits[0] <= one["area"] <= limits[1]
            for one in objects
            if one["category_id"] == category["id"]
        }
        positives = list(ignored.values()).count(False)
        if not positives:
            continue
        ranked = []
        for image in sorted(one["id"] for one in content["images"]):
            here = [one for one in objects if one["id"] in ignored and one["image_id"] == image]
            detected = [one for one in found if (one["image_id"], one["category_id"]) == (image, category["id"])]
            detected.sort(key=lambda one: -one["score"])
            ranked += _match(here, detected, ignored, limits, kind)
        # Equal scores keep the order of images.
        ranked.sort(key=lambda one: -one[0])
        curves = [_curve([outcomes[level] for _, outcomes in ranked], positives) for level in range(len(THRESHOLDS))]
        precisions.append([curve for curve, _ in curves])
        recalls.append([recall for _, recall in curves])
    return precisions, recalls


def _match(
    objects: list[dict[str, Any]],
    detected: list[dict[str, Any]],
    ignored: dict[int, bool],
    limits: tuple[float, float],
    kind: str,
) -> list[tuple[float, list[bool | None]]]:
    """Returns the score of each detection and, per threshold, whether it is correct; None if it does not count."""
    overlaps = [[_overlap(one["shape"], other["shape"], other["crowd"], kind) for other in objects] for one in detected]
    outcomes: list[list[bool | None]] = [[] for _ in detected]
    for threshold in THRESHOLDS:
        used: set[int] = set()
        for number, one in enumerate(detected):
            free = [
                (overlaps[number][index], index)
                for index, other in enumerate(objects)
                if overlaps[number][index] >= threshold and (other["crowd"] or index not in used)
            ]
            # Objects that count take precedence; then the largest overlap; then the last object.
            counted = [pair for pair in free if not ignored[objects[pair[1]]["id"]]]
            best = max(counted or free, default=None)
            if best is not None:
                used.add(best[1])
                outcomes[number].append(True if counted else None)
            else:
                outcomes[number].append(False if limits[0] <= one["area"] <= limits[1] else None)
    return [(one["score"], outcome) for one, outcome in zip(detected, outcomes, strict=True)]


def _overlap(one: Any, other: Any, crowd: bool, kind: str) -> float:
    if kind == "segm":
        shared, area, other_area = int((one & other).sum()), int(one.sum()), int(other.sum())
    else:
        width = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
        height = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
        shared, area, other_area = max(0, width) * max(0, height), one[2] * one[3], other[2] * other[3]
    return shared / (area if crowd else area + other_area - shared)


def _curve(outcomes: list[bool | None], positives: int) -> tuple[list[float], float]:
    """Returns the precision at 101 recalls, the best at this recall or a larger one, and the final recall."""
    points, correct, wrong = [], 0, 0
    for outcome in outcomes:
        if outcome is not None:
            correct, wrong = correct + outcome, wrong + (not outcome)
            points.append((correct / positives, correct / (correct + wrong)))
    precisions = [max((precision for recall, precision in points if recall >= least), default=0) for least in RECALLS]
    return precisions, correct / positives
