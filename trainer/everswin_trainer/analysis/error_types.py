"""What was wrong with each detection that found nothing, and what each kind of error costs.

The kinds and their costs are TIDE's (Bolya et al., "TIDE: A General Toolbox for Identifying Object Detection Errors",
ECCV 2020, arXiv:2008.08115), at its overlaps 0.5 and 0.1. In this order: *localization*, the class is right and the
best overlap with an object of it 0.1 to 0.5; *class*, it overlaps an object of another class by 0.5 or more;
*duplicate*, it overlaps one of its class by 0.5 or more, which a higher score has found; *background*, it overlaps
nothing by more than 0.1; *both* is what is left: another class, too little overlap. *Missed* is an object that nothing
found and no localization or class error points at.

Detections on crowds are neither right nor wrong. TIDE files some of them under a kind; here they are left out.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from everswin_trainer.analysis.ground_truth import SIZES, GroundTruth, size_of
from everswin_trainer.analysis.matching import NOTHING, OVERLAPS, Matches
from everswin_trainer.analysis.precision import precisions, rankings

LEAST, ENOUGH = 0.1, float(OVERLAPS[0])
UNCOUNTED, CORRECT, IGNORED, LOCALIZATION, CLASS, BOTH, DUPLICATE, BACKGROUND = range(8)
OUTCOMES = ("uncounted", "correct", "ignored", "localization", "class", "both", "duplicate", "background")
KINDS = ("localization", "class", "both", "duplicate", "background", "missed")


@dataclass(frozen=True)
class Outcomes:
    """`of` (detections,) are positions in OUTCOMES, `about` the object concerned or NOTHING; the rest is of objects."""

    of: np.ndarray
    about: np.ndarray
    found: np.ndarray
    missed: np.ndarray


def judge(truth: GroundTruth, matches: Matches, least_score: float) -> Outcomes:
    """Classifies each detection at IoU 0.5. Those with a score below `least_score` are uncounted."""
    matched, same, other = matches.matched[:, 0], matches.same_overlap, matches.other_overlap
    rules = [
        (matches.score < least_score, UNCOUNTED, NOTHING),
        (matches.ignored[:, 0], IGNORED, NOTHING),
        (matched != NOTHING, CORRECT, matched),
        ((same >= LEAST) & (same <= ENOUGH), LOCALIZATION, matches.same),
        (other >= ENOUGH, CLASS, matches.other),
        (same >= ENOUGH, DUPLICATE, matches.same),
        (np.maximum(same, other) <= LEAST, BACKGROUND, NOTHING),
    ]
    conditions = [condition for condition, _, _ in rules]
    of = np.select(conditions, [outcome for _, outcome, _ in rules], BOTH)
    about = np.select(conditions, [np.broadcast_to(one, of.shape) for _, _, one in rules], matches.other)
    found = _marked(truth, about[of == CORRECT])
    stood_for = _marked(truth, about[(of == LOCALIZATION) | (of == CLASS)])
    return Outcomes(of, about, found, ~truth.crowd & ~found & ~stood_for)


def analyze_errors(truth: GroundTruth, matches: Matches, least_score: float) -> dict[str, Any]:
    """`errors` of analysis.json. Counts are of what scores `least_score` or more; costs of everything."""
    said = judge(truth, matches, least_score)
    size_of_object = size_of(truth.area)
    size = np.where(said.about == NOTHING, size_of(matches.area), np.append(size_of_object, 0)[said.about])
    counts = {kind: _by_size(size[said.of == OUTCOMES.index(kind)]) for kind in KINDS if kind != "missed"}
    counts["missed"] = _by_size(size_of_object[said.missed])
    lost = costs(truth, matches, judge(truth, matches, 0.0))
    return {
        "objects": _by_size(size_of_object[~truth.crowd]),
        "found": _by_size(size_of_object[said.found]),
        "kinds": {kind: {"count": counts[kind], "ap50Lost": lost[kind]} for kind in KINDS},
    }


def costs(truth: GroundTruth, matches: Matches, outcomes: Outcomes) -> dict[str, float | None]:
    """Returns the rise of AP50 if all errors of one kind were fixed; None if there is no object.

    Localization and class errors become right where their object is not found otherwise, but only the one of the
    highest score for each object; all the rest of a kind goes. Of missed objects their number is taken off.
    """
    objects = truth.count().sum(axis=0)
    correct, counts = outcomes.of == CORRECT, outcomes.of != IGNORED
    now = _mean_precision(truth, matches, matches.label, correct, counts, objects)
    if now is None:
        return dict.fromkeys(KINDS)
    best = _best_for_its_object(matches, outcomes)
    lost: dict[str, float | None] = {}
    for kind in KINDS[:-1]:
        wrong = outcomes.of == OUTCOMES.index(kind)
        label, right = matches.label, correct
        if kind in ("localization", "class"):
            label = np.where(wrong & best, np.append(truth.label, 0)[outcomes.about], label)
            right = correct | (wrong & best)
        then = _mean_precision(truth, matches, label, right, counts & (right | ~wrong), objects)
        lost[kind] = (then or 0.0) - now
    left = objects - np.bincount(truth.label[outcomes.missed], minlength=len(objects))
    then = _mean_precision(truth, matches, matches.label, correct, counts, left, classes=objects > 0)
    lost["missed"] = (then or 0.0) - now
    # Recall moves in steps of 0.01: fixing the last of few objects can lower AP50 slightly.
    return {kind: min(1.0, max(0.0, value)) for kind, value in lost.items() if value is not None}


def _best_for_its_object(matches: Matches, outcomes: Outcomes) -> np.ndarray:
    """(detections,): the localization or class error of the highest score for an object that nothing found."""
    candidates = np.flatnonzero(np.isin(outcomes.of, (LOCALIZATION, CLASS)))
    candidates = candidates[~outcomes.found[outcomes.about[candidates]]]
    candidates = candidates[np.argsort(-matches.score[candidates], kind="stable")]
    _, first = np.unique(outcomes.about[candidates], return_index=True)
    best = np.zeros(len(outcomes.of), bool)
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
    """AP50 over `classes`, those that have objects unless given; of a class that lost all its objects it is 0."""
    of_class = rankings(label, matches.score, matches.image, correct[:, None], counts[:, None], len(objects))
    once = np.ones((1, len(truth.images)), np.int64)
    chosen = np.flatnonzero(objects > 0 if classes is None else classes)
    scores = [np.nan_to_num(precisions(of_class[one], once, objects[one : one + 1])).mean() for one in chosen]
    return float(np.mean(scores)) if len(scores) else None


def _marked(truth: GroundTruth, objects: np.ndarray) -> np.ndarray:
    marks = np.zeros(len(truth.objects), bool)
    marks[objects] = True
    return marks


def _by_size(sizes: np.ndarray) -> dict[str, int]:
    return dict(zip(SIZES, np.bincount(sizes, minlength=len(SIZES)).tolist(), strict=True))
