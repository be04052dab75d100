"""Bootstrap over images: scores of test sets drawn with replacement from this one.

Matches do not change when an image counts twice, so each draw only repeats the ranking, which is exact and takes
milliseconds. The draws depend only on the seed and the number of images: two runs with the same annotations use the
same draws, so the differences of their scores are a paired bootstrap.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from everswin_trainer.analysis.ground_truth import GroundTruth
from everswin_trainer.analysis.matching import IOU_THRESHOLDS, Matches
from everswin_trainer.analysis.precision import precisions

SEED = 2017
RESAMPLES = 500
# Draws per batch: large enough for NumPy to be fast, small enough that the largest class needs little memory.
BATCH = 25
LEVELS = {"AP50": 0, "AP75": 5}
CENTRAL_PERCENTILES = (2.5, 97.5)


def draws(images: int, resamples: int, seed: int = SEED) -> Iterator[np.ndarray]:
    """Yields batches (draws, images) of image counts, drawn from raw words, whose stream NumPy keeps stable."""
    source = np.random.PCG64(seed)
    for begin in range(0, resamples, BATCH):
        count = min(BATCH, resamples - begin)
        words = source.random_raw(count * images).reshape(count, images)
        chosen = (words % np.uint64(images)).astype(np.int64)
        yield np.stack([np.bincount(one, minlength=images) for one in chosen])


def resample(
    truth: GroundTruth, matches: Matches, resamples: int, send_heartbeat: Callable[[], None]
) -> dict[str, np.ndarray]:
    """Returns `AP`, `AP50` and `AP75` (resamples,) and `classes`, the AP of each (classes, resamples).

    A score without ground truth is NaN.
    """
    counts = truth.count()
    rankings = matches.rankings(len(truth.classes))
    batches = []
    for weights in draws(len(truth.images), resamples):
        send_heartbeat()
        objects = weights @ counts
        scored = [precisions(one, weights, objects[:, number]).mean(axis=2) for number, one in enumerate(rankings)]
        batches.append(np.stack(scored, axis=1))
    scores = np.concatenate(batches) if batches else np.zeros((0, len(rankings), len(IOU_THRESHOLDS)))
    return {
        "AP": mean_of_known(scores, (1, 2)),
        **{name: mean_of_known(scores[:, :, level], 1) for name, level in LEVELS.items()},
        "classes": scores.mean(axis=2).T,
    }


def mean_of_known(values: np.ndarray, axis: int | tuple[int, ...]) -> np.ndarray:
    """Returns the mean without NaN, or NaN if all values are NaN; emits no warning."""
    known = ~np.isnan(values)
    count = known.sum(axis=axis)
    return np.where(count > 0, np.where(known, values, 0).sum(axis=axis) / np.maximum(count, 1), np.nan)


def interval(score: float | None, replicates: np.ndarray) -> list[float] | None:
    """Returns the central 95 % of the replicates' spread, centered on the score.

    The AP of a resample is biased upward on average, because repeated images fill the gaps of a class. Subtracting the
    mean of the replicates removes this bias.
    """
    known = replicates[~np.isnan(replicates)]
    if score is None or not len(known):
        return None
    low, high = np.percentile(known, CENTRAL_PERCENTILES) - known.mean()
    return [min(1.0, max(0.0, score + float(one))) for one in (low, high)]


def plain_scores(values: np.ndarray) -> list[Any]:
    """Converts values for JSON: five digits, null for NaN."""
    if values.ndim > 1:
        return [plain_scores(one) for one in values]
    return [None if np.isnan(one) else round(min(1.0, max(0.0, float(one))), 5) for one in values]
