"""Precision at COCO's 101 recalls, of all images or of images that count several times or not at all."""

from dataclasses import dataclass

import numpy as np

RECALLS = np.linspace(0.0, 1.0, 101)


@dataclass(frozen=True)
class Ranking:
    """Detections of one class by falling score: the image of each, and at each overlap whether it is right and whether
    it counts at all; (n,), (n, overlaps), (n, overlaps)."""

    image: np.ndarray
    correct: np.ndarray
    counts: np.ndarray


def rankings(
    label: np.ndarray, score: np.ndarray, image: np.ndarray, correct: np.ndarray, counts: np.ndarray, classes: int
) -> list[Ranking]:
    """One for each class; equal scores keep their order."""
    order = np.lexsort((-score, label))
    ends = np.searchsorted(label[order], np.arange(classes + 1))
    chosen = [order[ends[number] : ends[number + 1]] for number in range(classes)]
    return [Ranking(image[one], correct[one], counts[one]) for one in chosen]


def precisions(ranking: Ranking, weights: np.ndarray, objects: np.ndarray) -> np.ndarray:
    """Returns precisions (draws, IoUs, 101), interpolated as in pycocotools; NaN if there is no object.

    `weights` (draws, images) says how often each image counts, `objects` (draws,) how many there are then. The copies
    of an image have equal scores and are adjacent, so they are counted at once: only the last of them
    can be on the envelope.
    """
    draws, overlaps = len(weights), ranking.correct.shape[1]
    result = np.zeros((draws, overlaps, len(RECALLS)))
    needed, rows = _needed(np.maximum(objects, 1)), np.arange(draws)[:, None]
    # Counts of one draw after those of the one before it: one search for all.
    apart = int(objects.max()) + 2
    of_each = weights[:, ranking.image]
    everything = of_each.cumsum(axis=1) if ranking.counts.all() else None
    for level in range(overlaps):
        right = np.flatnonzero(ranking.correct[:, level])
        if not len(right):
            continue
        seen = (of_each * ranking.counts[:, level]).cumsum(axis=1) if everything is None else everything
        found = of_each[:, right].cumsum(axis=1)
        # Precision rises only where something is found: nothing in between can be on the envelope.
        precision = found / (seen[:, right] + np.spacing(1))
        envelope = np.zeros((draws, len(right) + 1))
        envelope[:, :-1] = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        where = np.searchsorted((found + apart * rows).reshape(-1), (needed + apart * rows).reshape(-1), side="left")
        result[:, level] = np.take_along_axis(envelope, where.reshape(needed.shape) - len(right) * rows, axis=1)
    result[objects == 0] = np.nan
    return result


def _needed(objects: np.ndarray) -> np.ndarray:
    """(draws, 101): how many of so many objects must be found for a recall, as pycocotools' division compares them."""
    whole = objects[:, None]
    needed = np.ceil(RECALLS * whole).astype(np.int64)
    needed -= (needed - 1) / whole >= RECALLS
    return needed + (needed / whole < RECALLS)
