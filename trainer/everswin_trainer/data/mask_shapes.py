"""Decodes the masks of a split as training does, and measures them.

Only doubtful polygons are rasterized. The others have an area and a width from which a mask with pixels follows.
"""

from array import array
from collections.abc import Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from everswin_trainer.data.findings import Findings
from everswin_trainer.data.json_numbers import format_value, whole_number
from everswin_trainer.data.read_objects import MAX_COORDINATE, NUMBERS, Objects, format_id
from everswin_trainer.data.run_lengths import Fault, RunLengths, decode, measure

# Coordinates and run lengths that are measured at a time.
CHUNK_NUMBERS = 1 << 20
# A polygon at least this wide on average covers the center of a pixel.
SURE_PIXELS = 2.0
REPR_OF_BYTES = ("b'", 'b"', "bytearray(b")
EXPORT_AGAIN = "Export the masks again"


class Shapes(NamedTuple):
    """Masks, one value per object. An object whose mask is missing or invalid has no shape.

    `bounds` (n, 4) holds left, top, right, bottom in the image, `drawn` the same without clipping; both are NaN without
    shape. `empty` is whether the mask has no pixels. `area` is NaN unless the mask was decoded.
    """

    bounds: np.ndarray
    drawn: np.ndarray
    empty: np.ndarray
    area: np.ndarray


def measure_shapes(objects: Objects, sizes: np.ndarray, problems: Findings) -> Shapes:
    """Decodes and measures all masks; `sizes` (n, 2) holds width and height of each object's image."""
    count = len(objects.records)
    shapes = Shapes(*(np.full((count, 4), np.nan) for _ in range(2)), np.zeros(count, bool), np.full(count, np.nan))
    _measure_polygons(objects, sizes, shapes, problems)
    _measure_run_lengths(objects, sizes, shapes, problems)
    shapes.bounds[:] = np.clip(shapes.drawn, 0, np.tile(sizes, 2))
    return shapes


def _measure_polygons(objects: Objects, sizes: np.ndarray, shapes: Shapes, problems: Findings) -> None:
    """Measures the polygons in chunks of whole objects."""
    if not objects.parts:
        return
    lengths = np.fromiter(map(len, objects.parts), np.int64, len(objects.parts))
    # Objects with pixels for sure, and objects that may have some: the others are outside of their images.
    sure, seen = np.zeros((2, len(objects.records)), bool)
    bad: set[int] = set()
    owners = objects.owners
    begins = np.concatenate([[0], np.cumsum(lengths)])
    at = 0
    while at < len(lengths):
        end = max(at + 1, int(np.searchsorted(begins, begins[at] + CHUNK_NUMBERS)) - 1)
        end = int(np.searchsorted(owners, owners[end - 1], side="right"))
        parts, owner = objects.parts[at:end], owners[at:end]
        points = np.frombuffer(b"".join(map(_to_array, parts))).reshape(-1, 2)
        first = (begins[at:end] - begins[at]) // 2
        low, high = np.minimum.reduceat(points, first), np.maximum.reduceat(points, first)
        valid = (np.abs(low) <= MAX_COORDINATE) & (np.abs(high) <= MAX_COORDINATE)
        bad |= set(owner[~valid.all(axis=1)].tolist())
        with np.errstate(invalid="ignore", over="ignore"):
            thickness = _polygon_areas(points, first) / np.maximum((high - low).max(axis=1), 1e-9)
        width_height = sizes[owner]
        inside = ((low >= -1) & (high <= width_height + 1)).all(axis=1)
        seen[owner[((low < width_height + 1) & (high > -1)).all(axis=1)]] = True
        sure[owner[inside & (thickness >= SURE_PIXELS)]] = True
        starts = np.flatnonzero(np.diff(owner, prepend=-1))
        shapes.drawn[owner[starts]] = np.concatenate(
            [np.minimum.reduceat(low, starts), np.maximum.reduceat(high, starts)], axis=1
        )
        at = end
    for one in sorted(bad):
        _refuse_polygon(objects, one, owners, problems)
        shapes.drawn[one] = np.nan
        seen[one] = False
    outside = owners[~seen[owners]]
    shapes.empty[outside], shapes.area[outside] = True, 0
    shapes.empty[list(bad)] = False
    _rasterize(objects, sizes, shapes, seen & (~sure | np.isnan(objects.area)))


def _to_array(part: Sequence[Any]) -> array:
    """Returns the coordinates of a polygon; NaN instead of what is no number."""
    if type(part) is array:
        return part
    values = [value if type(value) in NUMBERS else np.nan for value in part]
    try:
        return array("d", values)
    except OverflowError:
        # An integer of more than 308 digits.
        return array("d", [value if abs(value) <= MAX_COORDINATE else np.nan for value in values])


def _polygon_areas(points: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Returns the areas by the shoelace formula; crossing edges make them smaller."""
    following = np.arange(1, len(points) + 1)
    following[np.append(first[1:], len(points)) - 1] = first
    x, y = points[:, 0], points[:, 1]
    return np.abs(np.add.reduceat(x * y[following] - x[following] * y, first)) / 2


def _refuse_polygon(objects: Objects, one: int, owners: np.ndarray, problems: Findings) -> None:
    parts = objects.parts[np.searchsorted(owners, one) : np.searchsorted(owners, one, side="right")]
    record = objects.records[one]
    if not all(NUMBERS.issuperset(map(type, part)) for part in parts):
        remedy = "Write [[x1, y1, x2, y2, x3, y3, …]], one list for each polygon"
        kind = 'has a "segmentation" that is not a list of lists of numbers'
        problems.add(kind, "annotation", format_id(record), remedy)
    else:
        kind = "has an outline with coordinates that are infinite, not a number or beyond a million pixels"
        problems.add(kind, "annotation", format_id(record), "Write coordinates in pixels of the image")


def _rasterize(objects: Objects, sizes: np.ndarray, shapes: Shapes, chosen: np.ndarray) -> None:
    """Decodes the polygons of the chosen objects."""
    # Imported here: it is not needed for most data.
    from pycocotools import mask as mask_codec

    owners = objects.owners
    starts = np.flatnonzero(np.diff(owners, prepend=-1))
    ends = np.append(starts[1:], len(owners))
    needed = chosen[owners[starts]]
    for start, end in zip(starts[needed].tolist(), ends[needed].tolist(), strict=True):
        one = int(owners[start])
        width, height = sizes[one].tolist()
        masks = mask_codec.frPyObjects(objects.parts[start:end], height, width)
        area = mask_codec.area(mask_codec.merge(masks))
        shapes.area[one], shapes.empty[one] = area, area == 0


class _MaskProblems:
    """Adds problems of run-length masks, by number of the object."""

    def __init__(self, objects: Objects, problems: Findings) -> None:
        self._objects, self._problems = objects, problems

    def add(self, one: int, kind: str, remedy: str = EXPORT_AGAIN, detail: str = "") -> None:
        self._problems.add(
            f"has an RLE mask {kind}", "annotation", format_id(self._objects.records[one]) + detail, remedy
        )

    def add_sum(self, one: int, actual: int, expected: int) -> None:
        kind = "whose counts do not add up to its image"
        self.add(one, kind, detail=f": {actual} instead of {expected} pixels")

    def add_fault(self, one: int, fault: Fault) -> None:
        counts = self._objects.masks[one]["counts"]
        if fault is Fault.CHARACTERS:
            kind = "with characters that COCO's encoding does not use"
            self.add(one, kind, "Encode the masks with pycocotools.mask.encode", f": {format_value(counts[:12])}")
        elif fault is Fault.CUT:
            self.add(one, "that ends in the middle of a number: its string was cut short")
        else:
            self.add(one, "with run lengths that no image has", detail=f": {format_value(counts[:12])}…")


def _measure_run_lengths(objects: Objects, sizes: np.ndarray, shapes: Shapes, found: Findings) -> None:
    """Checks the form of each mask, and decodes those that have a valid one in chunks."""
    problems = _MaskProblems(objects, found)
    strings: dict[int, bytes] = {}
    lists: dict[int, list[int]] = {}
    numbers = 0
    for one, mask in objects.masks.items():
        counts = _check_form(objects, one, mask, sizes[one].tolist(), problems)
        if isinstance(counts, bytes):
            strings[one] = counts
        elif counts is not None:
            lists[one] = counts
        numbers += len(counts or ())
        if numbers >= CHUNK_NUMBERS:
            _measure_strings(objects, strings, sizes, shapes, problems)
            _measure_lists(lists, sizes, shapes)
            strings, lists, numbers = {}, {}, 0
    _measure_strings(objects, strings, sizes, shapes, problems)
    _measure_lists(lists, sizes, shapes)


def _check_form(
    objects: Objects, one: int, mask: dict[str, Any], image: list[int], problems: _MaskProblems
) -> bytes | list[int] | None:
    """Returns the counts of a mask of the image's size, or None after adding a problem."""
    width, height = image
    size, counts = mask.get("size"), mask.get("counts")
    if size != [height, width] or any(type(side) is not int for side in size):
        sides = [whole_number(side) for side in size] if isinstance(size, list) else []
        if sides == [width, height] != [height, width]:
            remedy = "Write the height first, and check that the runs go down the columns"
            return problems.add(one, "whose size is [width, height] instead of [height, width]", remedy)
        if sides != [height, width]:
            detail = f": {format_value(size)} instead of {[height, width]}"
            return problems.add(one, "whose size differs from its image", detail=detail)
        mask["size"], objects.changed = sides, True
    if isinstance(counts, list) and counts:
        if not {int}.issuperset(map(type, counts)):
            whole = [whole_number(count) for count in counts]
            if None in whole:
                return problems.add(one, "whose counts are not whole numbers")
            counts = mask["counts"] = whole
            objects.changed = True
        if min(counts) < 0 or sum(counts) != width * height:
            return problems.add_sum(one, sum(counts), width * height)
        return counts
    if not isinstance(counts, str) or not counts:
        return problems.add(one, "without counts")
    if counts.startswith(REPR_OF_BYTES):
        remedy = "Write counts.decode() instead of str(counts)"
        return problems.add(one, "that was saved with str(bytes)", remedy, f": {format_value(counts[:12])}…")
    if not counts.isascii():
        return problems.add_fault(one, Fault.CHARACTERS)
    return counts.encode()


def _measure_strings(
    objects: Objects, strings: dict[int, bytes], sizes: np.ndarray, shapes: Shapes, problems: _MaskProblems
) -> None:
    if not strings:
        return
    masks, faults = decode(list(strings.values()))
    owners = np.array(list(strings))
    pixels, expected = masks.pixels(), sizes[owners].prod(axis=1)
    valid = pixels == expected
    valid[list(faults)] = False
    for number in np.flatnonzero(~valid).tolist():
        one = int(owners[number])
        if number in faults:
            problems.add_fault(one, faults[number])
        elif _fits_with_single_backslashes(objects.masks[one]["counts"], int(expected[number])):
            problems.add(one, "whose backslashes are doubled", "Encode the file as JSON only once")
        else:
            problems.add_sum(one, int(pixels[number]), int(expected[number]))
    _keep_extents(masks, owners, valid, sizes, shapes)


def _fits_with_single_backslashes(counts: str, expected: int) -> bool:
    masks, faults = decode([counts.replace("\\\\", "\\").encode()])
    return not faults and int(masks.pixels()[0]) == expected


def _measure_lists(lists: dict[int, list[int]], sizes: np.ndarray, shapes: Shapes) -> None:
    if not lists:
        return
    counts = np.frombuffer(array("q", chain.from_iterable(lists.values())), np.int64)
    first = np.concatenate([[0], np.cumsum([len(one) for one in lists.values()])[:-1]])
    owners = np.array(list(lists))
    _keep_extents(RunLengths(counts, first), owners, np.ones(len(owners), bool), sizes, shapes)


def _keep_extents(masks: RunLengths, owners: np.ndarray, valid: np.ndarray, sizes: np.ndarray, shapes: Shapes) -> None:
    extents = measure(masks, sizes[owners][:, 1])
    chosen = owners[valid]
    shapes.drawn[chosen] = extents.bounds[valid]
    shapes.area[chosen], shapes.empty[chosen] = extents.area[valid], extents.area[valid] == 0
