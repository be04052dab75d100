"""Compares replayed draws with those of NumPy."""

import numpy as np
import pytest

from everswin_trainer.training.seeded_draws import SeededDraws

STREAMS = 20
KEYS = np.random.default_rng(1).integers(0, 2**32, (4, STREAMS), dtype=np.uint32)
BOUNDS = [(0, 1), (0, 2), (0, 11), (-5, 300), (7, 8), (0, 2**31 - 1), (384, 601)]
PROBABILITIES = [0.2, 0.3, 0.5]


def numpy_draws(key: np.ndarray, rounds: int) -> list[float]:
    np.random.seed(key)
    drawn: list[float] = []
    for _ in range(rounds):
        drawn += [np.random.randint(low, end) for low, end in BOUNDS]
        drawn.append(np.random.random_sample())
        drawn.append(np.random.choice(np.arange(3), p=PROBABILITIES))
        drawn.append(np.random.choice(np.arange(5)))
    return drawn


@pytest.mark.parametrize("rounds", [1, 60])
def test_draws_equal_those_of_numpy_also_beyond_the_first_state(rounds: int) -> None:
    draws, drawn = SeededDraws(KEYS), []
    for _ in range(rounds):
        drawn += [draws.integers(low, end) for low, end in BOUNDS]
        drawn += [draws.uniform(), draws.choice(3, PROBABILITIES), draws.choice(5, None)]
    for number in range(STREAMS):
        assert [one[number] for one in drawn] == numpy_draws(KEYS[:, number], rounds)


def test_selected_streams_continue_and_bounds_may_differ() -> None:
    draws = SeededDraws(KEYS)
    chosen = np.array([7, 3])
    drawn = [draws.uniform(), draws.select(chosen).integers(np.array([0, 5]), np.array([9, 5000])), draws.uniform()]
    for number in range(STREAMS):
        np.random.seed(KEYS[:, number])
        assert drawn[0][number] == np.random.random_sample()
        if number in chosen:
            bounds = {7: (0, 9), 3: (5, 5000)}[number]
            assert drawn[1][list(chosen).index(number)] == np.random.randint(*bounds)
        assert drawn[2][number] == np.random.random_sample()
