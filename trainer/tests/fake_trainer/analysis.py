"""Writes a fake analysis: small files with the structure of the real ones and numbers derived from the score."""

import hashlib
from pathlib import Path
from typing import Any

from everswin_trainer.system.atomic_file import write_json

CLASSES = ("circle", "rectangle", "triangle")
IMAGES, OBJECTS, RESAMPLES, SEED = 8, 12, 20, 2017
KINDS = ("localization", "class", "both", "duplicate", "background", "missed")
WIDTH, HEIGHT = 16, 12
BOX, OUTLINE = [4, 3, 8, 6], [4, 3, 12, 3, 12, 9, 4, 9]
# A gray JPEG of 16 x 12 pixels.
PICTURE = (
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDACgcHiMeGSgjISMtKygwPGRBPDc3PHtYXUlkkYCZlo+AjIqgtObDoKrarYqMyP/L2u71////m8H////6/+b9"
    "//j/wAALCAAMABABAREA/8QAFgABAQEAAAAAAAAAAAAAAAAAAAED/8QAHRAAAgEEAwAAAAAAAAAAAAAAAQIRAAMEEjEyUf/aAAgBAQAAPwCY1lb22xIiOKZN"
    "lbOupJmeayV2XqxE+GjOzdmJj01//9k="
)


def write_analysis(folder: Path, checkpoint_sha256: str, score: float) -> None:
    """Writes analysis.json and bootstrap.json. `score` is the AP of boxes and of masks."""
    both = {"bbox": score, "segm": score}
    identity = {"checkpointSha256": checkpoint_sha256, "annotationsSha256": hashlib.sha256(b"mini").hexdigest()}
    settings = {"resamples": RESAMPLES, "seed": SEED}
    replicates = _replicates(score)
    bootstrap = {"images": IMAGES, **settings, "classes": list(CLASSES), **dict.fromkeys(both, replicates)}
    write_json(folder / "bootstrap.json", {"v": 1, **identity, **bootstrap}, indent=None)
    curve = [round(score, 4)] * 101
    interval = [max(0.0, score - 0.02), min(1.0, score + 0.02)]
    class_scores = {"AP": score, "AP50": score, "interval": interval, "curve": curve, **_class_thresholds(score)}
    analysis = {
        "images": IMAGES,
        "classes": [
            {"name": name, "images": IMAGES // 2, "instances": OBJECTS // 3, **dict.fromkeys(both, class_scores)}
            for name in CLASSES
        ],
        "curves": dict.fromkeys(both, {"iou50": curve, "iou75": curve, "mean": curve}),
        "thresholds": dict.fromkeys(both, _thresholds(score)),
        "scoreThreshold": 0.3,
        "confusion": dict.fromkeys(both, [[0, 0, 3], [1, 1, 2], [1, 2, 1], [2, 3, 1], [3, 0, 1]]),
        "distribution": {"train": _split(4 * IMAGES), "val": _split(IMAGES)},
        "errors": dict.fromkeys(both, _errors(score)),
        "galleryRule": "The fake trainer shows a generated image.",
        "gallery": [_image(group, number, score) for number, group in enumerate(("best", "worst", "random"))],
        "bootstrap": {
            **settings,
            **dict.fromkeys(both, dict.fromkeys(("AP", "AP50", "AP75"), interval)),
            "seconds": 0.0,
        },
        "seconds": 0.0,
    }
    write_json(folder / "analysis.json", {"v": 1, **identity, **analysis}, indent=None)


def _replicates(score: float) -> dict[str, Any]:
    drawn = [round(min(1.0, max(0.0, score + 0.002 * (number - RESAMPLES / 2))), 5) for number in range(RESAMPLES)]
    return {**dict.fromkeys(("AP", "AP50", "AP75"), drawn), "classes": [drawn] * len(CLASSES)}


def _errors(score: float) -> dict[str, Any]:
    found = round(OBJECTS * score)
    counts = dict.fromkeys(KINDS, 0) | {"localization": 1, "background": 2, "missed": OBJECTS - found}
    lost = (1 - score) / len(KINDS)
    return {
        "objects": _medium(OBJECTS),
        "found": _medium(found),
        "kinds": {kind: {"count": _medium(counts[kind]), "ap50Lost": lost} for kind in KINDS},
    }


def _class_thresholds(score: float) -> dict[str, Any]:
    found = [round(OBJECTS / 3 * score * (100 - at) / 100) for at in range(101)]
    suggested = {"score": 0.5, "precision": score, "recall": score, "f1": score} if score > 0 else None
    return {"suggested": suggested, "counts": {"correct": found, "wrong": [1] * 101}}


def _thresholds(score: float) -> dict[str, Any]:
    falling = [round(score * (100 - at) / 100, 4) for at in range(101)]
    curves = {"precision": [round(score, 4)] * 101, "recall": falling, "f1": falling}
    return {**curves, "suggested": _class_thresholds(score)["suggested"]}


def _split(images: int) -> dict[str, Any]:
    objects = images * OBJECTS // IMAGES
    return {"images": images, "emptyImages": 1, "objects": [objects // 3] * 3, "sizes": _medium(objects)}


def _medium(count: int) -> dict[str, int]:
    return {"small": 0, "medium": count, "large": 0}


def _image(group: str, number: int, score: float) -> dict[str, Any]:
    shown = {"class": CLASSES[number], "box": BOX, "outlines": [OUTLINE]}
    return {
        "group": group,
        "fileName": f"{number + 1:012d}.jpg",
        "imageId": number + 1,
        "width": WIDTH,
        "height": HEIGHT,
        "f1": 0.0 if group == "worst" else 1.0,
        "picture": {"width": WIDTH, "height": HEIGHT, "image": PICTURE},
        "truth": [{**shown, "found": group != "worst", **({} if group == "worst" else {"foundScore": score})}],
        "predictions": [] if group == "worst" else [{**shown, "score": score, "outcome": "correct", "iou": 0.9}],
    }
