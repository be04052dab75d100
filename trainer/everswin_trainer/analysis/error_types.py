"""Classifies false detections by type of error, and computes how much AP50 each type costs.

Types and costs follow TIDE (Bolya et al., "TIDE: A General Toolbox for Identifying Object Detection Errors", ECCV 2020,
arXiv:2008.08115) with its IoU thresholds 0.5 and 0.1. The first type that applies counts:

- *localization*: right class, IoU of 0.1 to 0.5 with an object of that class
- *class*: IoU of at least 0.5 with an object of another class
- *duplicate*: IoU of at least 0.5 with an object of its class that a detection with a higher score has matched
- *background*: IoU of at most 0.1 with every object
- *both*: any other false detection, so wrong class and wrong location

A *missed* object has no correct detection, and no localization or class error refers to it.

Detections on crowds are neither correct nor errors. TIDE assigns some of them a type; this module ignores them.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from everswin_trainer.analysis.ground_truth import SIZES, GroundTruth, size_of
from everswin_trainer.analysis.matching import IOU_THRESHOLDS, NO_OBJECT, Matches
from everswin_trainer.analysis.precision import precisions, rankings

BACKGROUND_IOU, FOREGROUND_IOU = 0.1, float(IOU_THRESHOLDS[0])
UNCOUNTED, CORRECT, IGNORED, LOCALIZATION, CLASS, BOTH, DUPLICATE, BACKGROUND = range(8)
OUTCOMES = ("uncounted", "correct", "ignored", "localization", "class", "both", "duplicate", "background")
KINDS = ("localization", "class", "both", "duplicate", "background", "missed")


@dataclass(frozen=True)
class Outcomes:
    """Outcome of each detection and object.

    `outcome` (detections,) holds indices into OUTCOMES, `target` (detections,) the object that a detection concerns, or
    NO_OBJECT. `found` and `missed` are flags (objects,).
    """

    outcome: np.ndarray
    target: np.ndarray
    found: np.ndarray
    missed: np.ndarray


def classify_detections(truth: GroundTruth, matches: Matches, min_score: float) -> Outcomes:
    """Classifies each detection at IoU 0.5. Those with a score below `min_score` are uncounted."""
    matched, same, other = matches.matched[:, 0], matches.same_iou, matches.other_iou
    rules = [
        (matches.score < min_score, UNCOUNTED, NO_OBJECT),
        (matches.ignored[:, 0], IGNORED, NO_OBJECT),
        (matched != NO_OBJECT, CORRECT, matched),
        ((same >= BACKGROUND_IOU) & (same <= FOREGROUND_IOU), LOCALIZATION, matches.same),
        (other >= FOREGROUND_IOU, CLASS, matches.other),
        (same >= FOREGROUND_IOU, DUPLICATE, matches.same),
        (np.maximum(same, other) <= BACKGROUND_IOU, BACKGROUND, NO_OBJECT),
    ]
    conditions = [condition for condition, _, _ in rules]
    outcome = np.select(conditions, [value for _, value, _ in rules], BOTH)
    target = np.select(conditions, [np.broadcast_to(one, outcome.shape) for _, _, one in rules], matches.other)
    found = _marked(truth, target[outcome == CORRECT])
    has_error = _marked(truth, target[(outcome == LOCALIZATION) | (outcome == CLASS)])
    return Outcomes(outcome, target, found, ~truth.crowd & ~found & ~has_error)


def analyze_errors(truth: GroundTruth, matches: Matches, min_score: float) -> dict[str, Any]:
    """Returns `errors` of analysis.json. Counts cover detections from `min_score` on; costs cover all detections."""
    counted = classify_detections(truth, matches, min_score)
    object_size = size_of(truth.area)
    size = np.where(counted.target == NO_OBJECT, size_of(matches.area), np.append(object_size, 0)[counted.target])
    counts = {kind: _by_size(size[counted.outcome == OUTCOMES.index(kind)]) for kind in KINDS if kind != "missed"}
    counts["missed"] = _by_size(object_size[counted.missed])
    lost = costs(truth, matches, classify_detections(truth, matches, 0.0))
    return {
        "objects": _by_size(object_size[~truth.crowd]),
        "found": _by_size(object_size[counted.found]),
        "kinds": {kind: {"count": counts[kind], "ap50Lost": lost[kind]} for kind in KINDS},
    }


def costs(truth: GroundTruth, matches: Matches, outcomes: Outcomes) -> dict[str, float | None]:
    """Returns the gain in AP50 from fixing all errors of each type; None if there is no object.

    For each object without a correct detection, the localization or class error with the highest score becomes correct.
    All other errors of a type are removed. Missed objects are subtracted from the number of objects.
    """
    objects = truth.count().sum(axis=0)
    correct, counts = outcomes.outcome == CORRECT, outcomes.outcome != IGNORED
    now = _mean_precision(truth, matches, matches.label, correct, counts, objects)
    if now is None:
        return dict.fromkeys(KINDS)
    best = _best_for_its_object(matches, outcomes)
    lost: dict[str, float | None] = {}
    for kind in KINDS[:-1]:
        wrong = outcomes.outcome == OUTCOMES.index(kind)
        label, right = matches.label, correct
        if kind in ("localization", "class"):
            label = np.where(wrong & best, np.append(truth.label, 0)[outcomes.target], label)
            right = correct | (wrong & best)
        fixed = _mean_precision(truth, matches, label, right, counts & (right | ~wrong), objects)
        lost[kind] = (fixed or 0.0) - now
    remaining = objects - np.bincount(truth.label[outcomes.missed], minlength=len(objects))
    fixed = _mean_precision(truth, matches, matches.label, correct, counts, remaining, classes=objects > 0)
    lost["missed"] = (fixed or 0.0) - now
    # Recall is sampled in steps of 0.01, so fixing an error of a class with few objects can lower AP50 slightly.
    return {kind: min(1.0, max(0.0, value)) for kind, value in lost.items() if value is not None}


def _best_for_its_object(matches: Matches, outcomes: Outcomes) -> np.ndarray:
    """Returns flags (detections,): the localization or class error with the highest score for each unmatched object."""
    candidates = np.flatnonzero(np.isin(outcomes.outcome, (LOCALIZATION, CLASS)))
    candidates = candidates[~outcomes.found[outcomes.target[candidates]]]
    candidates = candidates[np.argsort(-matches.score[candidates], kind="stable")]
    _, first = np.unique(outcomes.target[candidates], return_index=True)
    best = np.zeros(len(outcomes.outcome), bool)
    best[candidates[first]] = True
    return best


def _mean_precision(
    truth: GroundTruth,
    matches: Matches,
    label: np.ndarray,
    correct: np.ndarray,
    counts: np.ndarray,
    objects: np.ndarray,
    classes: np.ndarray | None = None,
) -> float | None:
    """Returns AP50 averaged over `classes`, by default those with objects. A class without objects counts as 0."""
    class_rankings = rankings(label, matches.score, matches.image, correct[:, None], counts[:, None], len(objects))
    once = np.ones((1, len(truth.images)), np.int64)
    chosen = np.flatnonzero(objects > 0 if classes is None else classes)
    scores = [np.nan_to_num(precisions(class_rankings[one], once, objects[one : one + 1])).mean() for one in chosen]
    return float(np.mean(scores)) if len(scores) else None


def _marked(truth: GroundTruth, objects: np.ndarray) -> np.ndarray:
    marks = np.zeros(len(truth.objects), bool)
    marks[objects] = True
    return marks


def _by_size(sizes: np.ndarray) -> dict[str, int]:
    return dict(zip(SIZES, np.bincount(sizes, minlength=len(SIZES)).tolist(), strict=True))
