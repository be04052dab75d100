"""Analyzes detections and annotations on disk: writes analysis.json and bootstrap.json.

The official scores of pycocotools are in metrics.json; these files are for inspection and comparison.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from everswin_trainer.analysis.confusion import confusion
from everswin_trainer.analysis.distribution import distribution
from everswin_trainer.analysis.error_types import analyze_errors, classify_detections
from everswin_trainer.analysis.gallery import format_rule, make_gallery
from everswin_trainer.analysis.ground_truth import GroundTruth
from everswin_trainer.analysis.matching import Matches, match
from everswin_trainer.analysis.precision import precisions
from everswin_trainer.analysis.resampling import (
    LEVELS,
    RESAMPLES,
    SEED,
    interval,
    mean_of_known,
    plain_scores,
    resample,
)
from everswin_trainer.analysis.safe_text import safe_text
from everswin_trainer.analysis.thresholds import ThresholdCounts, overall, suggest
from everswin_trainer.metrics.coco_scores import IOU_TYPES
from everswin_trainer.system.atomic_file import write_json

FILE, BOOTSTRAP_FILE = "analysis.json", "bootstrap.json"
# Detections with a lower score are neither counted nor shown individually.
MIN_SCORE = 0.3
# With more classes, a curve of each would make the file too large.
MAX_CURVES = 200
Scores = dict[str, Any]


@dataclass(frozen=True)
class Subject:
    """Input of the analysis: `results` by IoU type in COCO's format; `read_image` returns (height, width, 3) BGR.

    `train` is the samples file of the training split; None leaves out its distribution. `draw_training_batch` draws the
    first images of the training, if there was one.
    """

    identity: dict[str, str]
    annotations: Path
    results: dict[str, list[dict[str, Any]]]
    read_image: Callable[[str], np.ndarray]
    resamples: int = RESAMPLES
    train: Path | None = None
    draw_training_batch: Callable[[], dict[str, Any] | None] | None = None


def analyze(subject: Subject, folder: Path, send_heartbeat: Callable[[], None]) -> None:
    """Writes both files into `folder`, analysis.json last, and calls `send_heartbeat` (may raise) every few seconds."""
    begin = time.monotonic()
    truth = GroundTruth.load(subject.annotations)
    matches: dict[str, Matches] = {}
    for iou_type in IOU_TYPES:
        send_heartbeat()
        matches[iou_type] = match(truth, subject.results[iou_type], iou_type)
    send_heartbeat()
    precision = {iou_type: precision_of_classes(truth, one) for iou_type, one in matches.items()}
    counts = {iou_type: ThresholdCounts.of(truth, one) for iou_type, one in matches.items()}
    replicates, bootstrap = draw_replicates(subject, truth, matches, send_heartbeat)
    send_heartbeat()
    segm = matches["segm"]
    analysis = {
        "v": 1,
        **_identity(subject),
        "images": len(truth.images),
        "classes": _classes(truth, precision, replicates, counts),
        "curves": {iou_type: overall_curves(one) for iou_type, one in precision.items()},
        "thresholds": {iou_type: overall_thresholds(one) for iou_type, one in counts.items()},
        "scoreThreshold": MIN_SCORE,
        "confusion": confusion(truth, matches, MIN_SCORE),
        "distribution": distribution(truth, subject.train, send_heartbeat),
        **({"trainingBatch": subject.draw_training_batch()} if subject.draw_training_batch else {}),
        "errors": {iou_type: analyze_errors(truth, one, MIN_SCORE) for iou_type, one in matches.items()},
        "galleryRule": format_rule(MIN_SCORE),
        "gallery": make_gallery(
            truth, segm, subject.results["segm"], classify_detections(truth, segm, MIN_SCORE), subject.read_image
        ),
        "bootstrap": bootstrap and {**bootstrap, **_intervals(precision, replicates)},
    }
    if bootstrap:
        write_json(folder / BOOTSTRAP_FILE, _bootstrap_file(subject, truth, bootstrap, replicates), indent=None)
    write_json(folder / FILE, {**analysis, "seconds": time.monotonic() - begin}, indent=None)


def discard(folder: Path) -> None:
    """Removes the files of an earlier test."""
    for name in (FILE, BOOTSTRAP_FILE):
        (folder / name).unlink(missing_ok=True)


def precision_of_classes(truth: GroundTruth, matches: Matches) -> np.ndarray:
    """Returns pycocotools' `precision` at 100 detections, (classes, IoUs, 101); NaN without ground truth."""
    rankings = matches.rankings(len(truth.classes))
    objects, once = truth.count().sum(axis=0), np.ones((1, len(truth.images)), np.int64)
    return np.stack([precisions(one, once, objects[number : number + 1])[0] for number, one in enumerate(rankings)])


def overall_curves(precision: np.ndarray) -> dict[str, list[float] | None]:
    """Returns the precision-recall curves averaged over classes: at IoU 0.5, at 0.75, and averaged over all IoUs."""
    mean = mean_of_known(precision, 0)
    return {
        "iou50": curve(mean[LEVELS["AP50"]]),
        "iou75": curve(mean[LEVELS["AP75"]]),
        "mean": curve(mean.mean(axis=0)),
    }


def overall_thresholds(counts: ThresholdCounts) -> dict[str, Any] | None:
    """Returns precision, recall and F1 over the score threshold, averaged over classes, and the best threshold."""
    curves = overall(counts.scores())
    return curves and {**curves, "suggested": suggest(**{name: np.array(one) for name, one in curves.items()})}


def curve(values: np.ndarray) -> list[float] | None:
    """Returns a curve for JSON, or None without ground truth."""
    return None if np.isnan(values).any() else [round(float(one), 4) for one in values]


def draw_replicates(
    subject: Subject, truth: GroundTruth, matches: dict[str, Matches], send_heartbeat: Callable[[], None]
) -> tuple[dict[str, dict[str, np.ndarray]], dict[str, Any] | None]:
    """Returns the scores of all resamples and the parameters of the bootstrap; {} and None for fewer than 2 images."""
    if len(truth.images) < 2:
        return {}, None
    begin = time.monotonic()
    scores = {iou_type: resample(truth, one, subject.resamples, send_heartbeat) for iou_type, one in matches.items()}
    return scores, {"resamples": subject.resamples, "seed": SEED, "seconds": time.monotonic() - begin}


def _identity(subject: Subject) -> dict[str, str]:
    return {name: subject.identity[name] for name in ("checkpointSha256", "annotationsSha256")}


def _classes(
    truth: GroundTruth,
    precision: dict[str, np.ndarray],
    replicates: dict[str, dict[str, np.ndarray]],
    thresholds: dict[str, ThresholdCounts],
) -> list[dict[str, Any]]:
    counts = truth.count()
    with_curves = len(truth.classes) <= MAX_CURVES
    scores = {iou_type: one.scores() for iou_type, one in thresholds.items()}
    return [
        {
            "name": safe_text(one["name"]),
            "images": int((counts[:, number] > 0).sum()),
            "instances": int(counts[:, number].sum()),
            **{
                iou_type: {
                    **_class_scores(
                        precision[iou_type][number],
                        replicates[iou_type]["classes"][number] if replicates else np.zeros(0),
                        with_curves,
                    ),
                    "suggested": suggest(**{name: one[number] for name, one in scores[iou_type].items()}),
                    "counts": thresholds[iou_type].of_class(number) if with_curves else None,
                }
                for iou_type in IOU_TYPES
            },
        }
        for number, one in enumerate(truth.classes)
    ]


def _class_scores(precision: np.ndarray, replicates: np.ndarray, with_curve: bool) -> Scores:
    score = _known(precision.mean())
    return {
        "AP": score,
        "AP50": _known(precision[LEVELS["AP50"]].mean()),
        "interval": interval(score, replicates),
        "curve": curve(precision[LEVELS["AP50"]]) if with_curve else None,
    }


def _intervals(precision: dict[str, np.ndarray], replicates: dict[str, dict[str, np.ndarray]]) -> Scores:
    def intervals_of(iou_type: str) -> Scores:
        scores = {"AP": precision[iou_type], **{name: precision[iou_type][:, at] for name, at in LEVELS.items()}}
        return {
            name: interval(_known(mean_of_known(one, tuple(range(one.ndim)))), replicates[iou_type][name])
            for name, one in scores.items()
        }

    return {iou_type: intervals_of(iou_type) for iou_type in IOU_TYPES}


def _bootstrap_file(
    subject: Subject,
    truth: GroundTruth,
    bootstrap: dict[str, Any],
    replicates: dict[str, dict[str, np.ndarray]],
) -> dict[str, Any]:
    return {
        "v": 1,
        **_identity(subject),
        "images": len(truth.images),
        "seed": bootstrap["seed"],
        "resamples": bootstrap["resamples"],
        "classes": [safe_text(one["name"]) for one in truth.classes],
        **{iou_type: {name: plain_scores(one) for name, one in replicates[iou_type].items()} for iou_type in IOU_TYPES},
    }


def _known(value: np.ndarray | float) -> float | None:
    return None if np.isnan(value) else min(1.0, float(value))
