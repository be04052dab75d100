"""Computes precision at COCO's 101 recall values, for all images or for resampled images."""

from dataclasses import dataclass

import numpy as np

RECALLS = np.linspace(0.0, 1.0, 101)


@dataclass(frozen=True)
class Ranking:
    """Detections of one class by descending score: `image` (n,); `correct` and `counts` (n, IoUs) are flags."""

    image: np.ndarray
    correct: np.ndarray
    counts: np.ndarray


def rankings(
    label: np.ndarray, score: np.ndarray, image: np.ndarray, correct: np.ndarray, counts: np.ndarray, classes: int
) -> list[Ranking]:
    """Returns one ranking per class; detections with equal scores keep their order."""
    order = np.lexsort((-score, label))
    ends = np.searchsorted(label[order], np.arange(classes + 1))
    chosen = [order[ends[number] : ends[number + 1]] for number in range(classes)]
    return [Ranking(image[one], correct[one], counts[one]) for one in chosen]


def precisions(ranking: Ranking, weights: np.ndarray, objects: np.ndarray) -> np.ndarray:
    """Returns precisions (draws, IoUs, 101), interpolated as in pycocotools; NaN if there is no object.

    `weights` (draws, images) is how often each image counts, `objects` (draws,) the resulting number of objects. Copies
    of an image have equal scores and are adjacent, so they are counted together: only the last copy can be on the
    envelope.
    """
    draws, overlaps = len(weights), ranking.correct.shape[1]
    result = np.zeros((draws, overlaps, len(RECALLS)))
    needed, rows = _needed(np.maximum(objects, 1)), np.arange(draws)[:, None]
    # Shifts the counts of each draw past those of the previous one, so that one search serves all draws.
    offset = int(objects.max()) + 2
    repeats = weights[:, ranking.image]
    counted_all = repeats.cumsum(axis=1) if ranking.counts.all() else None
    for level in range(overlaps):
        right = np.flatnonzero(ranking.correct[:, level])
        if not len(right):
            continue
        counted = (repeats * ranking.counts[:, level]).cumsum(axis=1) if counted_all is None else counted_all
        found = repeats[:, right].cumsum(axis=1)
        # Precision rises only at a correct detection, so only correct detections can be on the envelope.
        precision = found / (counted[:, right] + np.spacing(1))
        envelope = np.zeros((draws, len(right) + 1))
        envelope[:, :-1] = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        where = np.searchsorted((found + offset * rows).reshape(-1), (needed + offset * rows).reshape(-1), side="left")
        result[:, level] = np.take_along_axis(envelope, where.reshape(needed.shape) - len(right) * rows, axis=1)
    result[objects == 0] = np.nan
    return result


def _needed(objects: np.ndarray) -> np.ndarray:
    """Returns the number of objects to find for each recall (draws, 101), rounded as pycocotools' division rounds."""
    total = objects[:, None]
    needed = np.ceil(RECALLS * total).astype(np.int64)
    needed -= (needed - 1) / total >= RECALLS
    return needed + (needed / total < RECALLS)
