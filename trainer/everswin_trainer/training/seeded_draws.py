"""Replays the first draws of NumPy's legacy generator for many seeds at once.

`np.random.seed` takes 17 µs and a draw up to 21 µs: 8 s for each epoch of COCO. NumPy promises that the numbers of this
generator, a Mersenne Twister, never change (NEP 19).
"""

from collections.abc import Sequence

import numpy as np

STATE = 624
SHIFT = 397
WORDS_AT_FIRST = 32


class SeededDraws:
    """Draws as `np.random` would after `np.random.seed(keys[:, n])`, for each column n of `keys` (words, n) uint32.

    `select` returns the draws of some of the columns; all continue the same streams.
    """

    def __init__(self, keys: np.ndarray) -> None:
        self._streams = _Streams(keys)
        self._rows = np.arange(keys.shape[1])

    def select(self, chosen: np.ndarray) -> "SeededDraws":
        selected = object.__new__(SeededDraws)
        selected._streams, selected._rows = self._streams, self._rows[chosen]
        return selected

    def uniform(self) -> np.ndarray:
        """Draws as `np.random.random_sample()`."""
        high, low = self._streams.next(self._rows) >> 5, self._streams.next(self._rows) >> 6
        return (high * 67108864.0 + low) / 9007199254740992.0

    def integers(self, low: np.ndarray | int, end: np.ndarray | int) -> np.ndarray:
        """Draws as `np.random.randint(low, end)`, with one pair of bounds for all or one for each."""
        span = np.broadcast_to(np.subtract(end, low) - 1, self._rows.shape)
        # The smallest 2^k - 1 that is no less than the span: NumPy draws k bits until they are in range.
        mask = (1 << np.ceil(np.log2(span + 1)).astype(np.int64)) - 1
        drawn = np.zeros(self._rows.shape, np.int64)
        open_ = np.flatnonzero(span > 0)
        while len(open_):
            drawn[open_] = self._streams.next(self._rows[open_]) & mask[open_]
            open_ = open_[drawn[open_] > span[open_]]
        return low + drawn

    def choice(self, count: int, probabilities: Sequence[float] | None) -> np.ndarray:
        """Draws as `np.random.choice(count, p=probabilities)`."""
        if probabilities is None:
            return self.integers(0, count)
        sums = np.cumsum(np.asarray(probabilities, np.float64))
        return np.searchsorted(sums / sums[-1], self.uniform(), side="right")


class _Streams:
    """Mersenne Twisters, one per column of `keys`, each with its own position."""

    def __init__(self, keys: np.ndarray) -> None:
        self._state = _seed(keys)
        self._used = np.zeros(keys.shape[1], np.int64)
        self._words = np.empty((0, keys.shape[1]), np.uint32)

    def next(self, rows: np.ndarray) -> np.ndarray:
        """Returns the next word of the streams `rows`, each of which occurs once."""
        used = self._used[rows]
        self._used[rows] += 1
        while len(used) and used.max() >= len(self._words):
            self._produce(max(WORDS_AT_FIRST, len(self._words)))
        return self._words[used, rows]

    def _produce(self, count: int) -> None:
        first = len(self._words)
        words = [self._twist(number % STATE) for number in range(first, first + count)]
        self._words = np.concatenate([self._words, np.stack(words)])

    def _twist(self, index: int) -> np.ndarray:
        """Replaces one word of the states by the next, and returns it tempered."""
        state = self._state
        mixed = (state[index] & np.uint32(0x80000000)) | (state[(index + 1) % STATE] & np.uint32(0x7FFFFFFF))
        odd = (mixed & np.uint32(1)) * np.uint32(0x9908B0DF)
        state[index] = state[(index + SHIFT) % STATE] ^ (mixed >> 1) ^ odd
        word = state[index] ^ (state[index] >> 11)
        word ^= (word << 7) & np.uint32(0x9D2C5680)
        word ^= (word << 15) & np.uint32(0xEFC60000)
        return word ^ (word >> 18)


def _seed(keys: np.ndarray) -> np.ndarray:
    """Returns the states (STATE, n) after seeding with `keys`: init_by_array of the Mersenne Twister."""
    words, count = keys.shape
    state = np.repeat(_first_state()[:, None], count, axis=1)
    added = keys + np.arange(words, dtype=np.uint32)[:, None]
    mixed = np.empty(count, np.uint32)

    def mix(index: int, factor: int) -> None:
        before = state[index - 1]
        np.right_shift(before, 30, out=mixed)
        np.bitwise_xor(mixed, before, out=mixed)
        np.multiply(mixed, np.uint32(factor), out=mixed)
        np.bitwise_xor(state[index], mixed, out=state[index])

    for number in range(STATE):
        index = number % (STATE - 1) + 1
        mix(index, 1664525)
        state[index] += added[number % words]
        if index == STATE - 1:
            state[0] = state[index]
    for number in range(STATE, 2 * STATE - 1):
        index = number % (STATE - 1) + 1
        mix(index, 1566083941)
        state[index] -= np.uint32(index)
        if index == STATE - 1:
            state[0] = state[index]
    state[0] = 0x80000000
    return state


def _first_state() -> np.ndarray:
    state = [19650218]
    for number in range(1, STATE):
        state.append((1812433253 * (state[-1] ^ (state[-1] >> 30)) + number) & 0xFFFFFFFF)
    return np.array(state, np.uint32)
