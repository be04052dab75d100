"""Selects the best, the worst and random test images, with the outcome of each prediction and object."""

from collections.abc import Callable
from typing import Any

import numpy as np
from pycocotools import mask as mask_codec

from everswin_trainer.analysis.drawing import Drawn, encode, outlines, shrink
from everswin_trainer.analysis.error_types import BOTH, CLASS, CORRECT, IGNORED, OUTCOMES, UNCOUNTED, Outcomes
from everswin_trainer.analysis.ground_truth import GroundTruth, run_lengths
from everswin_trainer.analysis.matching import Matches
from everswin_trainer.analysis.safe_text import safe_text

IMAGES_PER_GROUP = 16
SEED = 2017
MAX_SHOWN = 100
RULE = (
    "F1 = 2 x correct / (objects + predictions) per image, by mask at IoU 0.5, for predictions with a score of at "
    "least {min_score}; images without objects and predictions are excluded. "
    "Best: highest F1 above 0; ties go to the image with more objects. "
    "Worst: lowest F1; ties go to the image with more objects and predictions. "
    "Random: drawn from the remaining images with seed {seed}."
)


def format_rule(min_score: float) -> str:
    return RULE.format(min_score=min_score, seed=SEED)


def f1_of_images(truth: GroundTruth, matches: Matches, outcomes: Outcomes) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns (F1, objects, predictions) of each image; F1 is NaN without objects and predictions."""
    images = len(truth.images)
    objects = truth.count().sum(axis=1)
    counted = (outcomes.outcome != UNCOUNTED) & (outcomes.outcome != IGNORED)
    predictions = np.bincount(matches.image[counted], minlength=images)
    correct = np.bincount(matches.image[outcomes.outcome == CORRECT], minlength=images)
    total = objects + predictions
    return np.where(total > 0, 2 * correct / np.maximum(total, 1), np.nan), objects, predictions


def choose(truth: GroundTruth, matches: Matches, outcomes: Outcomes) -> list[tuple[str, int, float]]:
    """Returns (group, image, F1) of different images: the best, the worst and random ones.

    Best and worst have at most IMAGES_PER_GROUP images each, and a third of a small data set. Random ones fill the rest
    of the gallery, so that it shows each image of a small data set.
    """
    f1, objects, predictions = f1_of_images(truth, matches, outcomes)
    left = np.flatnonzero(~np.isnan(f1))
    limit = min(IMAGES_PER_GROUP, -(-len(left) // 3))
    # The last key has the highest priority; remaining ties are resolved by id.
    best = left[np.lexsort((left, -objects[left], -f1[left]))][:limit]
    best = best[f1[best] > 0]
    left = np.setdiff1d(left, best)
    worst = left[np.lexsort((left, -(objects + predictions)[left], f1[left]))][:limit]
    left = np.setdiff1d(left, worst)
    words = np.random.PCG64(SEED).random_raw(len(left)) if len(left) else np.zeros(0, np.uint64)
    drawn = left[np.argsort(words, kind="stable")][: 3 * limit - len(best) - len(worst)]
    groups = (("best", best), ("worst", worst), ("random", drawn))
    return [(group, int(image), float(f1[image])) for group, images in groups for image in images]


def make_gallery(
    truth: GroundTruth,
    matches: Matches,
    results: list[dict[str, Any]],
    outcomes: Outcomes,
    read_image: Callable[[str], np.ndarray],
) -> list[dict[str, Any]]:
    """Returns `gallery` of analysis.json. `results` are those that `matches` was computed from."""
    return [
        _gallery_entry(truth, matches, results, outcomes, read_image, group, image, f1)
        for group, image, f1 in choose(truth, matches, outcomes)
    ]


def _gallery_entry(
    truth: GroundTruth,
    matches: Matches,
    results: list[dict[str, Any]],
    outcomes: Outcomes,
    read_image: Callable[[str], np.ndarray],
    group: str,
    image: int,
    f1: float,
) -> dict[str, Any]:
    record = truth.images[image]
    picture = shrink(read_image(record["file_name"]))
    height, width = picture.shape[:2]
    scale = width / record["width"]
    objects = np.flatnonzero((truth.image == image) & ~truth.crowd)[:MAX_SHOWN]
    detections = np.flatnonzero((matches.image == image) & (outcomes.outcome != UNCOUNTED))[:MAX_SHOWN]
    object_shapes = [
        Drawn(int(truth.label[one]), _scaled(truth.objects[one]["bbox"], scale), truth.mask(one)) for one in objects
    ]
    found_score = {
        int(outcomes.target[one]): _score(matches, one) for one in detections if outcomes.outcome[one] == CORRECT
    }
    prediction_shapes = [
        _prediction(results[matches.source[one]], int(matches.label[one]), scale) for one in detections
    ]
    return {
        "group": group,
        "fileName": safe_text(record["file_name"]),
        "imageId": record["id"],
        "width": record["width"],
        "height": record["height"],
        "f1": f1,
        "picture": {"width": width, "height": height, "image": encode(picture)},
        "truth": [
            {
                **_shape_fields(truth, drawn, width, height),
                "found": bool(outcomes.found[one]),
                **({"foundScore": found_score[one]} if one in found_score else {}),
            }
            for one, drawn in zip(objects, object_shapes, strict=True)
        ],
        "predictions": [
            {
                **_shape_fields(truth, drawn, width, height),
                "score": _score(matches, one),
                "outcome": OUTCOMES[outcomes.outcome[one]],
                "iou": round(min(1.0, float(max(matches.same_iou[one], matches.other_iou[one]))), 2),
                **_true_class(truth, outcomes, one),
            }
            for one, drawn in zip(detections, prediction_shapes, strict=True)
        ],
    }


def _prediction(detection: dict[str, Any], label: int, scale: float) -> Drawn:
    segmentation = detection["segmentation"]
    mask = run_lengths(segmentation, *segmentation["size"])
    return Drawn(label, _scaled(detection.get("bbox") or mask_codec.toBbox(mask).tolist(), scale), mask)


def _score(matches: Matches, detection: int) -> float:
    return round(float(matches.score[detection]), 4)


def _true_class(truth: GroundTruth, outcomes: Outcomes, detection: int) -> dict[str, str]:
    """Returns the class of the object that a detection took for another class."""
    if outcomes.outcome[detection] not in (CLASS, BOTH):
        return {}
    return {"trueClass": safe_text(truth.classes[truth.label[outcomes.target[detection]]]["name"])}


def _scaled(box: list[float], scale: float) -> list[float]:
    return [round(float(one) * scale, 1) for one in box]


def _shape_fields(truth: GroundTruth, drawn: Drawn, width: int, height: int) -> dict[str, Any]:
    return {
        "class": safe_text(truth.classes[drawn.label]["name"]),
        "box": drawn.box,
        "outlines": outlines(drawn.mask, width, height),
    }
