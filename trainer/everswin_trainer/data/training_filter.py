"""Counts what MMDetection's CocoDataset keeps of a split, by its rules (parse_data_info and filter_data)."""

from collections.abc import Container
from typing import NamedTuple

import numpy as np

from everswin_trainer.data.findings import Findings
from everswin_trainer.data.read_objects import Objects

# `filter_cfg` of every recipe, with `filter_empty_gt=True`: images without annotations are dropped too.
MIN_SIDE = 32
# Share of unused images or objects that is worth a warning. Training uses 99 % of COCO.
MUCH = 0.1


class Usable(NamedTuple):
    """Images and objects that training learns from, or that validation scores."""

    images: int
    objects: int


class Loss(NamedTuple):
    """A reason why training ignores objects: what an object has, what an image with no other object has, a remedy."""

    objects: str
    images: str
    remedy: str


PIXELS = "Write each box as x, y, width, height in pixels of its image"
LOSSES = (
    CROWD := Loss('"iscrowd": 1', 'only crowd objects ("iscrowd": 1)', 'Write "iscrowd": 0 for single objects'),
    NO_AREA := Loss(
        "no area",
        "only objects without area",
        'Write the number of pixels, or leave "area" out: it is then computed from the mask',
    ),
    OUTSIDE := Loss("a box outside of the image", "only boxes outside of the image", PIXELS),
    SMALL := Loss("a box smaller than one pixel", "only boxes smaller than one pixel", PIXELS),
    MARKED := Loss('"ignore" set', 'only objects with "ignore" set', 'Remove "ignore"'),
)
TINY = f"a side shorter than {MIN_SIDE} pixels"
TINY_OBJECTS = f"an image with a side shorter than {MIN_SIDE} pixels"
EMPTY = "no objects"
MIXED = "only objects that cannot be used"


def count_usable(objects: Objects, sides: np.ndarray, split: str, problems: Findings, warnings: Findings) -> Usable:
    """Counts what training or validation uses. `sides` (n, 2) holds width and height of the split's images.

    Adds a problem if nothing is left, and a warning if much is dropped.
    """
    count = len(sides)
    # In validation, MMDetection filters no images. COCO's evaluation ignores crowds, and nothing matches an empty box.
    reasons = LOSSES if split == "train" else (CROWD, OUTSIDE, SMALL)
    losses = _find_losses(objects, sides[objects.image], reasons)
    tiny = sides.min(axis=1) < MIN_SIDE if split == "train" else np.zeros(count, bool)
    annotated = np.bincount(objects.image, minlength=count)
    used = (losses < 0) & ~tiny[objects.image]
    useful = np.bincount(objects.image[used], minlength=count) > 0
    reasons = {TINY: int(tiny.sum()), EMPTY: int((~tiny & (annotated == 0)).sum())}
    left = ~tiny & (annotated > 0) & ~useful
    for number, loss in enumerate(LOSSES):
        alone = np.bincount(objects.image[losses == number], minlength=count) == annotated
        reasons[loss.images] = int((left & alone).sum())
    reasons[MIXED] = int(left.sum()) - sum(reasons[loss.images] for loss in LOSSES)
    _report(split, "images", int(useful.sum()), count, reasons, losses, problems, warnings)
    if used.any():
        reasons = {TINY_OBJECTS: int(tiny[objects.image].sum())}
        kept = losses[~tiny[objects.image]]
        reasons |= {loss.objects: int((kept == number).sum()) for number, loss in enumerate(LOSSES)}
        _report(split, "objects", int(used.sum()), len(losses), reasons, losses, problems, warnings)
    images = count if split != "train" else int((~tiny & (annotated > 0)).sum())
    return Usable(images, int(used.sum()))


def _find_losses(objects: Objects, sizes: np.ndarray, reasons: Container[Loss]) -> np.ndarray:
    """Returns the reason why each object is not used, as an index into LOSSES, or -1."""
    x, y, w, h = objects.boxes.T
    width, height = sizes.T
    across = np.maximum(0, np.minimum(x + w, width) - np.maximum(x, 0))
    down = np.maximum(0, np.minimum(y + h, height) - np.maximum(y, 0))
    losses = np.full(len(objects.records), -1)
    # Of several reasons, the last one counts.
    for reason, ignored in (
        (CROWD, objects.crowd),
        (NO_AREA, objects.area <= 0),
        (OUTSIDE, across * down == 0),
        (SMALL, (w < 1) | (h < 1)),
        (MARKED, objects.ignored),
    ):
        if reason in reasons:
            losses[ignored] = LOSSES.index(reason)
    return losses


def _report(
    split: str,
    noun: str,
    used: int,
    total: int,
    reasons: dict[str, int],
    losses: np.ndarray,
    problems: Findings,
    warnings: Findings,
) -> None:
    why = ", ".join(f"{count} {'has' if count == 1 else 'have'} {reason}" for reason, count in reasons.items() if count)
    line = f"{used} of {total} {'training' if split == 'train' else 'validation'} {noun} are usable: {why}"
    if used == 0 and total:
        remedies = [loss.remedy for number, loss in enumerate(LOSSES) if (losses == number).any()]
        if reasons.get(TINY):
            remedies.append(f"Use images of at least {MIN_SIDE} x {MIN_SIDE} pixels")
        problems.add_once(". ".join([line, *dict.fromkeys(remedies)]))
    elif total - used > MUCH * total:
        warnings.add_once(line)
