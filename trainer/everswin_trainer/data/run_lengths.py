"""Decodes run lengths of masks in bulk, without pycocotools: it reads past the end of a string that is cut short.

A compressed mask is a string of 6-bit characters. Five bits of each belong to a number, and the sixth means that the
number continues. From the fourth on, a number is the difference from the number two places before.
"""

from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

import numpy as np

FIRST_CHARACTER, LAST_CHARACTER = 48, 48 + 63
CONTINUES, SIGN, DIGITS = 32, 16, 31
# 35 bits hold every number of pixels up to OpenCV's limit.
MOST_CHARACTERS = 7


class Fault(Enum):
    CHARACTERS = "characters that no RLE has"
    CUT = "cut short"
    NUMBERS = "numbers that no RLE has"


class RunLengths(NamedTuple):
    """Run lengths of several masks: those of mask i begin at `first[i]` in `counts`."""

    counts: np.ndarray
    first: np.ndarray

    def lengths(self) -> np.ndarray:
        return np.diff(self.first, append=len(self.counts))

    def numbers(self) -> np.ndarray:
        """Returns the position of each run within its mask; odd ones lie on the object."""
        return np.arange(len(self.counts)) - np.repeat(self.first, self.lengths())

    def pixels(self) -> np.ndarray:
        """Returns the number of pixels of each mask, object and background."""
        return np.add.reduceat(self.counts, self.first)


class Extents(NamedTuple):
    """Area of each mask and bounds of its object (n, 4): left, top, right, bottom. An empty mask has no bounds."""

    area: np.ndarray
    bounds: np.ndarray


def decode(strings: Sequence[bytes]) -> tuple[RunLengths, dict[int, Fault]]:
    """Decodes compressed masks; none may be empty. A mask with a fault has the single run 0."""
    characters = np.frombuffer(b"".join(strings), np.uint8).astype(np.int64) - FIRST_CHARACTER
    sizes = np.array([len(one) for one in strings])
    ends = np.cumsum(sizes)
    strange = (characters < 0) | (characters > LAST_CHARACTER - FIRST_CHARACTER)
    faults = {int(one): Fault.CHARACTERS for one in np.flatnonzero(np.logical_or.reduceat(strange, ends - sizes))}
    for one in np.flatnonzero(characters[ends - 1] & CONTINUES):
        faults.setdefault(int(one), Fault.CUT)
    if faults:
        # "0" is a valid string of one run.
        return _without(faults, strings)
    stops = np.flatnonzero((characters & CONTINUES) == 0)
    begins = np.concatenate([[0], stops[:-1] + 1])
    lengths = stops - begins + 1
    first = np.searchsorted(begins, ends - sizes)
    for one in np.flatnonzero(np.maximum.reduceat(lengths, first) > MOST_CHARACTERS):
        faults[int(one)] = Fault.NUMBERS
    if faults:
        return _without(faults, strings)
    shifts = 5 * (np.arange(len(characters)) - np.repeat(begins, lengths))
    values = np.add.reduceat((characters & DIGITS) << shifts, begins)
    values[(characters[stops] & SIGN) != 0] -= (1 << (5 * lengths))[(characters[stops] & SIGN) != 0]
    masks = RunLengths(_undo_differences(values, first), first)
    for one in np.flatnonzero(np.minimum.reduceat(masks.counts, first) < 0):
        faults[int(one)] = Fault.NUMBERS
    return (masks, {}) if not faults else _without(faults, strings)


def _without(faults: dict[int, Fault], strings: Sequence[bytes]) -> tuple[RunLengths, dict[int, Fault]]:
    masks, more = decode([b"0" if number in faults else one for number, one in enumerate(strings)])
    return masks, faults | more


def _undo_differences(values: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Sums the runs of the object and those of the background, separately, within each mask."""
    numbers = RunLengths(values, first).numbers()
    counts = values.copy()
    for begin in (1, 2):
        chosen = (numbers >= begin) & ((numbers - begin) % 2 == 0)
        sums = np.cumsum(values[chosen])
        starts = numbers[chosen] == begin
        before = (sums - values[chosen])[starts]
        counts[chosen] = sums - before[np.cumsum(starts) - 1]
    return counts


def measure(masks: RunLengths, heights: np.ndarray) -> Extents:
    """Returns area and bounds of masks whose run lengths add up to their images. Runs go down the columns."""
    ends = np.cumsum(masks.counts)
    begins = ends - masks.counts
    lengths = masks.lengths()
    before = np.repeat(begins[masks.first], lengths)
    begins, ends, height = begins - before, ends - before, np.repeat(heights, lengths)
    on_object = (masks.numbers() % 2 == 1) & (masks.counts > 0)
    left, right = begins // height, (ends - 1) // height
    spans = right > left
    top, bottom = np.where(spans, 0, begins % height), np.where(spans, height - 1, (ends - 1) % height)
    far = np.iinfo(np.int64).max
    low = [np.minimum.reduceat(np.where(on_object, one, far), masks.first) for one in (left, top)]
    high = [np.maximum.reduceat(np.where(on_object, one + 1, 0), masks.first) for one in (right, bottom)]
    area = np.add.reduceat(np.where(on_object, masks.counts, 0), masks.first)
    bounds = np.stack([*low, *high], axis=1).astype(np.float64)
    bounds[area == 0] = np.nan
    return Extents(area, bounds)
