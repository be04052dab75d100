"""Which test images are worth a look, and what there is to see on them."""

from collections.abc import Callable
from typing import Any

import numpy as np
from pycocotools import mask as mask_codec

from everswin_trainer.analysis.drawing import Drawn, draw, outlines, shrink
from everswin_trainer.analysis.error_types import CORRECT, IGNORED, OUTCOMES, UNCOUNTED, Outcomes
from everswin_trainer.analysis.ground_truth import GroundTruth, run_lengths
from everswin_trainer.analysis.matching import Matches
from everswin_trainer.analysis.safe_text import safe_text

EACH = 4
SEED = 2017
MOST_SHOWN = 100
RULE = (
    "F1 = 2 x correct / (objects + predictions) of an image, by mask at IoU 0.5, predictions from score {least} on; "
    "images with neither are left out. Best: the highest F1, of equals the one with the most objects. "
    "Worst: the lowest, of equals the one with the most objects and predictions. "
    "Random: drawn from the rest, seed {seed}."
)


def rule(least_score: float) -> str:
    return RULE.format(least=least_score, seed=SEED)


def f1_of_images(truth: GroundTruth, matches: Matches, outcomes: Outcomes) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(F1, objects, predictions) of each image; F1 is NaN where there is neither object nor prediction."""
    images = len(truth.images)
    objects = truth.count().sum(axis=1)
    said = (outcomes.of != UNCOUNTED) & (outcomes.of != IGNORED)
    predictions = np.bincount(matches.image[said], minlength=images)
    right = np.bincount(matches.image[outcomes.of == CORRECT], minlength=images)
    both = objects + predictions
    return np.where(both > 0, 2 * right / np.maximum(both, 1), np.nan), objects, predictions


def choose(truth: GroundTruth, matches: Matches, outcomes: Outcomes) -> list[tuple[str, int, float]]:
    """(group, image, F1): at most EACH of best, worst and random, no image twice."""
    f1, objects, predictions = f1_of_images(truth, matches, outcomes)
    left = np.flatnonzero(~np.isnan(f1))
    # The last key decides first; images go by id where nothing else tells them apart.
    best = left[np.lexsort((left, -objects[left], -f1[left]))][: min(EACH, (len(left) + 1) // 2)]
    left = np.setdiff1d(left, best)
    worst = left[np.lexsort((left, -(objects + predictions)[left], f1[left]))][:EACH]
    left = np.setdiff1d(left, worst)
    words = np.random.PCG64(SEED).random_raw(len(left)) if len(left) else np.zeros(0, np.uint64)
    drawn = left[np.argsort(words, kind="stable")][:EACH]
    groups = (("best", best), ("worst", worst), ("random", drawn))
    return [(group, int(image), float(f1[image])) for group, images in groups for image in images]


def make_gallery(
    truth: GroundTruth,
    matches: Matches,
    found: list[dict[str, Any]],
    outcomes: Outcomes,
    picture_of: Callable[[str], np.ndarray],
) -> list[dict[str, Any]]:
    """`found` are the results that `matches` was made of; `picture_of` reads an image by file name, (h, w, 3) BGR."""
    return [
        _show(truth, matches, found, outcomes, picture_of, group, image, f1)
        for group, image, f1 in choose(truth, matches, outcomes)
    ]


def _show(
    truth: GroundTruth,
    matches: Matches,
    found: list[dict[str, Any]],
    outcomes: Outcomes,
    picture_of: Callable[[str], np.ndarray],
    group: str,
    image: int,
    f1: float,
) -> dict[str, Any]:
    record = truth.images[image]
    picture = shrink(picture_of(record["file_name"]))
    height, width = picture.shape[:2]
    scale = width / record["width"]
    objects = np.flatnonzero((truth.image == image) & ~truth.crowd)[:MOST_SHOWN]
    said = np.flatnonzero((matches.image == image) & (outcomes.of != UNCOUNTED))[:MOST_SHOWN]
    there = [
        Drawn(int(truth.label[one]), _scaled(truth.objects[one]["bbox"], scale), truth.mask(one)) for one in objects
    ]
    seen = [_prediction(found[matches.source[one]], int(matches.label[one]), scale) for one in said]
    return {
        "group": group,
        "fileName": safe_text(record["file_name"]),
        "imageId": record["id"],
        "width": record["width"],
        "height": record["height"],
        "f1": f1,
        "picture": {
            "width": width,
            "height": height,
            "truth": draw(picture, there),
            "predictions": draw(picture, seen),
        },
        "truth": [
            {**_described(truth, drawn, width, height), "found": bool(outcomes.found[one])}
            for one, drawn in zip(objects, there, strict=True)
        ],
        "predictions": [
            {
                **_described(truth, drawn, width, height),
                "score": round(float(matches.score[one]), 4),
                "outcome": OUTCOMES[outcomes.of[one]],
            }
            for one, drawn in zip(said, seen, strict=True)
        ],
    }


def _prediction(detection: dict[str, Any], label: int, scale: float) -> Drawn:
    segmentation = detection["segmentation"]
    mask = run_lengths(segmentation, *segmentation["size"])
    return Drawn(label, _scaled(detection.get("bbox") or mask_codec.toBbox(mask).tolist(), scale), mask)


def _scaled(box: list[float], scale: float) -> list[float]:
    return [round(float(one) * scale, 1) for one in box]


def _described(truth: GroundTruth, drawn: Drawn, width: int, height: int) -> dict[str, Any]:
    return {
        "class": safe_text(truth.classes[drawn.label]["name"]),
        "box": drawn.box,
        "outlines": outlines(drawn.mask, width, height),
    }
