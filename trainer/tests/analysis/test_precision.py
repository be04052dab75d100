import numpy as np
import pytest

from everswin_trainer.analysis.precision import RECALLS, precisions, rankings


def as_pycocotools(correct: np.ndarray, objects: int) -> np.ndarray:
    """Repeats the accumulation of pycocotools line by line."""
    found, wrong = np.cumsum(correct).astype(float), np.cumsum(~correct).astype(float)
    recall, precision = found / objects, found / (wrong + found + np.spacing(1))
    for i in range(len(precision) - 1, 0, -1):
        precision[i - 1] = max(precision[i - 1], precision[i])
    inside = [at for at in np.searchsorted(recall, RECALLS, side="left") if at < len(precision)]
    return np.array([*precision[inside], *np.zeros(len(RECALLS) - len(inside))])


@pytest.mark.parametrize("objects", [1, 2, 3, 7, 29, 50, 100, 101, 200, 1000])
def test_precision_is_sampled_at_the_recalls_of_pycocotools_bit_for_bit(objects: int) -> None:
    # Every second detection is wrong at first, then more of them: no two recalls have the same precision.
    correct = np.concatenate([[True] + [False] * (1 + number // 3) for number in range(min(objects, 60))])
    correct = np.concatenate([correct, np.ones(max(0, objects - 60), bool)])[: 4 * objects + 200]
    nothing = np.zeros(len(correct), int)
    [ranking] = rankings(
        nothing, -np.arange(len(correct)), nothing, correct[:, None], np.ones((len(correct), 1), bool), 1
    )
    once = np.ones((1, 1), np.int64)
    ours = precisions(ranking, once, np.array([objects]))[0, 0]
    np.testing.assert_array_equal(ours, as_pycocotools(correct, objects))


def test_resamples_are_scored_independently() -> None:
    draw = np.random.default_rng(0)
    image, correct = draw.integers(0, 5, 60), draw.random((60, 2)) < 0.5
    [ranking] = rankings(np.zeros(60, int), draw.random(60), image, correct, np.ones((60, 2), bool), 1)
    weights = draw.integers(0, 3, (4, 5))
    objects = np.array([40, 0, 90, 55])
    together = precisions(ranking, weights, objects)
    assert np.isnan(together[1]).all()
    for number in (0, 2, 3):
        alone = precisions(ranking, weights[[number]], objects[[number]])
        np.testing.assert_array_equal(together[number], alone[0])
