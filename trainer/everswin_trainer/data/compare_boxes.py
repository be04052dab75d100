"""Compares boxes with images and outlines: finds boxes in another format, and masks that are elsewhere.

Training learns from both, so a box and a mask that contradict each other are wrong labels. A few of them are a warning,
a share of all objects is a problem.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from everswin_trainer.data.findings import Findings
from everswin_trainer.data.mask_shapes import Shapes
from everswin_trainer.data.read_objects import MAX_COORDINATE, Objects, format_id

# Boxes are rounded to hundredths of a pixel; a corner on the border may fall outside.
TOLERANCE_PIXELS = 1.0
# Annotators and rounding move edges by some pixels, or by a share of a large object.
FIT_PIXELS, FIT_SHARE = 2.0, 0.02
# Box and outline that overlap at least so much agree: COCO's differ less, with very few exceptions.
AGREE_IOU = 0.5
# Share of contradictory objects from which the data are wrong as a whole, and their smallest number.
SYSTEMATIC_SHARE, SYSTEMATIC_COUNT = 0.05, 2
# With fewer boxes, coordinates look like corners by chance.
MIN_CORNER_BOXES = 4
# Fewer boxes may all lie in the upper left corner of their images.
MIN_PERCENT_BOXES = 20
BOX_FORMAT = "Write each box as x, y, width, height in pixels"


class Contradiction(NamedTuple):
    kind: str
    remedy: str
    objects: np.ndarray


def check_boxes(objects: Objects, sizes: np.ndarray, shapes: Shapes, problems: Findings, warnings: Findings) -> None:
    """Adds findings about boxes and masks; `sizes` (n, 2) holds width and height of each object's image."""
    if not objects.records:
        return
    _check_places(objects, sizes, problems, warnings)
    contradictions = [one for one in _find_contradictions(objects, sizes, shapes) if one.objects.any()]
    total = sum(int(one.objects.sum()) for one in contradictions)
    for kind, remedy, chosen in contradictions:
        findings = problems if _is_systematic(total, int((~objects.crowd).sum())) else warnings
        _add(findings, objects, kind, chosen, remedy)


def _is_systematic(count: int, total: int) -> bool:
    return count >= SYSTEMATIC_COUNT and count > SYSTEMATIC_SHARE * total


def _add(findings: Findings, objects: Objects, kind: str, chosen: np.ndarray, remedy: str = "") -> None:
    numbers = np.flatnonzero(chosen)
    if len(numbers):
        examples = (format_id(objects.records[one]) for one in numbers.tolist())
        findings.add_all(kind, "annotation", len(numbers), examples, remedy)


def _check_places(objects: Objects, sizes: np.ndarray, problems: Findings, warnings: Findings) -> None:
    """Adds findings about boxes that training ignores or clips."""
    x, y, w, h = objects.boxes.T
    width, height = sizes.T
    huge = (np.abs(objects.boxes) > MAX_COORDINATE).any(axis=1)
    _add(problems, objects, "has a box beyond a million pixels", huge, BOX_FORMAT)
    small = ~huge & ((w < 1) | (h < 1))
    outside = ~huge & ~small & ((x >= width) | (y >= height) | (x + w <= 0) | (y + h <= 0))
    beyond = ~huge & ~small & ~outside & _extends_beyond(objects.boxes, sizes)
    no_area = ~(huge | small | outside | beyond) & (objects.area <= 0)
    _add(warnings, objects, "is smaller than one pixel: training ignores it", small)
    _add(warnings, objects, "is outside its image: training ignores it", outside)
    _add(warnings, objects, "extends beyond its image", beyond)
    _add(warnings, objects, "has no area: training ignores it", no_area)
    _add(warnings, objects, 'is marked "ignore": training ignores it', objects.ignored)
    _check_shares(objects, sizes, warnings)


def _check_shares(objects: Objects, sizes: np.ndarray, warnings: Findings) -> None:
    """Warns of values that are probably shares or percentages. Data that do not reveal more may be right."""
    boxes = objects.boxes
    small = (objects.area > 0) & (objects.area <= 1) & (boxes[:, 2:].prod(axis=1) >= 16)
    if _is_systematic(int(small.sum()), len(small)):
        remedy = 'Write the number of pixels, or leave "area" out'
        _add(warnings, objects, 'has an "area" of at most one pixel, so AP by object size is wrong', small, remedy)
    corners = boxes[:, :2] + boxes[:, 2:]
    if len(boxes) >= MIN_PERCENT_BOXES and (corners <= 100).all() and (sizes >= 300).all() and (corners > 50).any():
        kind = "has a box in the first 100 pixels, as all others: they may be percentages"
        _add(warnings, objects, kind, np.ones(len(boxes), bool), BOX_FORMAT)


def _extends_beyond(boxes: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    low, high = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
    return ((low < -TOLERANCE_PIXELS) | (high > sizes + TOLERANCE_PIXELS)).any(axis=1)


def _find_contradictions(objects: Objects, sizes: np.ndarray, shapes: Shapes) -> Iterator[Contradiction]:
    boxes, drawn = objects.boxes, shapes.drawn
    single = ~objects.crowd
    # An image of few pixels may hold boxes of one pixel.
    large = sizes.min(axis=1) > 2
    normalized = single & large & ((boxes >= 0) & (boxes <= 1)).all(axis=1) & (boxes[:, 2:] > 0).all(axis=1)
    yield Contradiction("has a box between 0 and 1, as a share of its image", f"{BOX_FORMAT} of the image", normalized)
    # A crowd or an object that training ignores teaches nothing wrong.
    judged = single & ~normalized & (boxes[:, 2:] >= 1).all(axis=1) & ~np.isnan(drawn).any(axis=1)
    with np.errstate(invalid="ignore"):
        shares = judged & large & ((drawn >= 0) & (drawn <= 1)).all(axis=1)
    yield Contradiction("has an outline between 0 and 1, as a share of its image", "Write outlines in pixels", shares)
    empty = single & ~normalized & ~shares & shapes.empty & ~_is_outside(boxes, sizes) & (boxes[:, 2:] >= 1).all(axis=1)
    beyond = empty & _outline_is_outside(drawn, sizes)
    yield Contradiction("has an outline outside of its image", "Write outlines in pixels of the image", beyond)
    yield Contradiction("has a mask without pixels", "Draw the outline again, or remove the object", empty & ~beyond)
    yield from _compare_outlines(objects, sizes, shapes, judged & ~shares & ~shapes.empty & ~_is_outside(boxes, sizes))
    if objects.masks_from_boxes:
        yield from _find_corners(boxes, sizes, single & ~normalized)


def _is_outside(boxes: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    return ((boxes[:, :2] >= sizes) | (boxes[:, :2] + boxes[:, 2:] <= 0)).any(axis=1)


def _outline_is_outside(drawn: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return ((drawn[:, :2] >= sizes) | (drawn[:, 2:] <= 0)).any(axis=1)


def _compare_outlines(
    objects: Objects, sizes: np.ndarray, shapes: Shapes, judged: np.ndarray
) -> Iterator[Contradiction]:
    """Finds boxes that do not enclose their outline, and the format that explains them."""
    boxes, bounds = objects.boxes, shapes.bounds
    corners = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
    overlap = _overlap(np.clip(corners, 0, np.tile(sizes, 2)), bounds)
    with np.errstate(invalid="ignore"):
        different = judged & ~(overlap >= AGREE_IOU)
    sides = bounds[:, 2:] - bounds[:, :2]
    middle = (bounds[:, :2] + bounds[:, 2:]) / 2
    tolerance = np.maximum(FIT_PIXELS, FIT_SHARE * sides.max(axis=1, initial=0))[:, None]
    instead = "instead of x, y, width, height"
    formats = (
        (f"of x1, y1, x2, y2 {instead}", np.concatenate([bounds[:, :2], bounds[:, 2:]], axis=1)),
        (f"of center x, center y, width, height {instead}", np.concatenate([middle, sides], axis=1)),
        (f"of y1, x1, y2, x2 {instead}", bounds[:, [1, 0, 3, 2]]),
        (
            "whose x and y are swapped compared with its outline",
            np.concatenate([bounds[:, [1, 0]], sides[:, ::-1]], axis=1),
        ),
    )
    for name, expected in formats:
        with np.errstate(invalid="ignore"):
            chosen = different & (np.abs(boxes - expected) <= tolerance).all(axis=1)
        yield Contradiction(f"has a box {name}", BOX_FORMAT, chosen)
        different &= ~chosen
    # Visible part and full extent of an object that is partly hidden: one encloses the other.
    room = FIT_PIXELS
    within = (bounds[:, :2] >= corners[:, :2] - room).all(axis=1) & (bounds[:, 2:] <= corners[:, 2:] + room).all(axis=1)
    around = (bounds[:, :2] <= corners[:, :2] + room).all(axis=1) & (bounds[:, 2:] >= corners[:, 2:] - room).all(axis=1)
    elsewhere = different & ~within & ~around
    remedy = "Compute the box from the outline, or draw the outline again"
    yield Contradiction("has an outline that is not where its box is", remedy, elsewhere)


def _overlap(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Returns the intersection over union of boxes (n, 4): left, top, right, bottom."""
    low, high = np.maximum(first[:, :2], second[:, :2]), np.minimum(first[:, 2:], second[:, 2:])
    common = np.maximum(high - low, 0).prod(axis=1)
    areas = (first[:, 2:] - first[:, :2]).prod(axis=1) + (second[:, 2:] - second[:, :2]).prod(axis=1)
    return common / np.maximum(areas - common, 1e-9)


def _find_corners(boxes: np.ndarray, sizes: np.ndarray, judged: np.ndarray) -> Iterator[Contradiction]:
    """Finds boxes in another format without outlines: read as x, y, width, height, many extend beyond their images."""
    beyond = judged & _extends_beyond(boxes, sizes)
    if judged.sum() < MIN_CORNER_BOXES or not _is_systematic(int(beyond.sum()), int(judged.sum())):
        return
    first, second = boxes[judged, :2], boxes[judged, 2:]
    limits = sizes[judged] + TOLERANCE_PIXELS
    if ((second > first) & (second <= limits)).all():
        yield Contradiction("has a box of x1, y1, x2, y2 instead of x, y, width, height", BOX_FORMAT, beyond)
    elif ((first - second / 2 >= -TOLERANCE_PIXELS) & (first + second / 2 <= limits)).all():
        kind = "has a box of center x, center y, width, height instead of x, y, width, height"
        yield Contradiction(kind, BOX_FORMAT, beyond)
