"""Reads the annotations of a split into arrays, and writes numbers and missing fields in COCO's form.

One call per annotation, and none per coordinate: COCO has 860,000 annotations and 57 million coordinates.
"""

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from everswin_trainer.data.findings import Findings
from everswin_trainer.data.json_numbers import format_value, real_number, whole_number

NUMBERS = frozenset((int, float))
POLYGON_NUMBERS = 6
# OpenCV and pycocotools store coordinates as int32; pycocotools walks along each edge in fifths of a pixel.
MAX_COORDINATE = 1e6

# An array unless it has whole numbers (annotation_text.py), or other values, which are a problem.
Polygon = list[Any] | array


@dataclass
class Objects:
    """Annotations with valid ids. The arrays hold one value per object; `image` is an index into the split's images.

    `area` is NaN where it is missing. `parts` holds the polygons of all objects, `owners` their objects. `masks` holds
    the run-length masks by object.
    """

    records: list[dict[str, Any]] = field(default_factory=list)
    image: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    category: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    crowd: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))
    ignored: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))
    area: np.ndarray = field(default_factory=lambda: np.zeros(0))
    boxes: np.ndarray = field(default_factory=lambda: np.zeros((0, 4)))
    parts: list[Polygon] = field(default_factory=list)
    owners: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    masks: dict[int, dict[str, Any]] = field(default_factory=dict)
    # Whether a record was changed.
    changed: bool = False
    # Number of objects whose mask was made from their box.
    masks_from_boxes: int = 0

    def derive_areas(self, pixels: np.ndarray) -> None:
        """Writes the pixels of its mask as the area of each object that has none."""
        for one in np.flatnonzero(np.isnan(self.area)).tolist():
            if not np.isnan(pixels[one]):
                self.area[one] = self.records[one]["area"] = int(pixels[one])
                self.changed = True


class ObjectReader:
    """Reads annotations one by one. `images` and `categories` map ids to indexes.

    The index of an image or a category that has a problem itself is None, and its annotations are not checked.
    """

    def __init__(
        self,
        images: dict[Any, int | None],
        categories: dict[Any, int | None],
        masks_from_boxes: bool,
        problems: Findings,
        warnings: Findings,
    ) -> None:
        self._images, self._categories, self._masks_from_boxes = images, categories, masks_from_boxes
        self._problems, self._warnings = problems, warnings
        self._ids: set[int] = set()
        self._objects = Objects()
        self._image, self._category, self._owners = array("q"), array("q"), array("q")
        self._crowd, self._ignored = bytearray(), bytearray()
        self._area, self._boxes = array("d"), array("d")

    def read(self, annotations: Sequence[Any]) -> Objects:
        for number, annotation in enumerate(annotations):
            if not isinstance(annotation, dict):
                self._problems.add("is not an object", "annotation", f"number {number + 1} in the file")
            else:
                self._read(annotation, number)
        objects = self._objects
        objects.image, objects.category = (np.frombuffer(one, np.int64) for one in (self._image, self._category))
        objects.owners = np.frombuffer(self._owners, np.int64)
        objects.crowd, objects.ignored = (np.frombuffer(one, bool) for one in (self._crowd, self._ignored))
        objects.area, objects.boxes = np.array(self._area), np.frombuffer(self._boxes).reshape(-1, 4)
        return objects

    def _read(self, annotation: dict[str, Any], number: int) -> None:
        get = annotation.get
        key = self._whole(annotation, "id")
        if key is None:
            if get("id") is None:
                self._problem("has no integer id", annotation, "Number the annotations from 1")
            else:
                example = f"number {number + 1} in the file: {format_value(get('id'))}"
                remedy = "Number the annotations from 1"
                self._problems.add("has an id that is not a whole number", "annotation", example, remedy)
            return
        if key in self._ids:
            self._problem("duplicate id", annotation, "Give each annotation its own id")
        self._ids.add(key)
        image, category = self._key(annotation, "image_id"), self._key(annotation, "category_id")
        if image not in self._images:
            self._unknown("refers to an image that is not listed", annotation, "image_id", 'List the image in "images"')
            return
        if category not in self._categories:
            remedy = 'List the category in "categories"'
            self._unknown("refers to an unknown category", annotation, "category_id", remedy)
            return
        image, category = self._images[image], self._categories[category]
        if image is None or category is None:
            return
        box = get("bbox")
        if type(box) is not list or len(box) != 4 or not _are_numbers(box):
            box = self._read_box(annotation)
            if box is None:
                return
        crowd = get("iscrowd")
        if type(crowd) is not int or not 0 <= crowd <= 1:
            crowd = self._read_crowd(annotation)
        area = get("area")
        if type(area) not in NUMBERS or not _are_numbers((area,)):
            area = self._read_area(annotation)
        place = len(self._objects.records)
        self._objects.records.append(annotation)
        self._image.append(image)
        self._category.append(category)
        self._crowd.append(crowd)
        self._ignored.append(bool(get("ignore")))
        self._area.append(area)
        self._boxes.extend(box)
        self._read_outline(annotation, place, get("segmentation"))

    def _key(self, annotation: dict[str, Any], name: str) -> Any:
        """Returns the id of another record: an integer, or what is written if it means none."""
        key, value = self._whole(annotation, name), annotation.get(name)
        return value if key is None and isinstance(value, str | float) else key

    def _whole(self, annotation: dict[str, Any], name: str) -> int | None:
        value = annotation.get(name)
        if type(value) is int:
            # An id beyond int64 is in no table.
            return value if name != "id" else whole_number(value)
        number = whole_number(value)
        if number is not None:
            self._change(annotation, name, number)
            self._warnings.add(_read_as(name, "a whole number"), "annotation", f"id {format_value(annotation['id'])}")
        return number

    def _read_box(self, annotation: dict[str, Any]) -> list[float] | None:
        value = annotation.get("bbox")
        numbers = [real_number(one) for one in value] if isinstance(value, list) else []
        if len(numbers) != 4 or None in numbers or not _are_numbers(numbers):
            remedy = "Write each box as x, y, width, height in pixels"
            self._problem('has no "bbox" of four numbers (x, y, width, height)', annotation, remedy)
            return None
        self._change(annotation, "bbox", numbers)
        self._warn(_read_as("bbox", "numbers"), annotation)
        return numbers

    def _read_crowd(self, annotation: dict[str, Any]) -> int:
        value = annotation.get("iscrowd")
        number = int(value) if isinstance(value, bool) else whole_number(value)
        if value is None:
            number, notice = 0, 'has no "iscrowd": it is read as 0, a single object'
        elif isinstance(value, bool):
            notice = 'has "iscrowd" written as true or false: it is read as 1 or 0'
        else:
            notice = _read_as("iscrowd", "a whole number")
        if number not in (0, 1):
            remedy = "Write 1 for a group of objects, otherwise 0"
            self._problem('has an "iscrowd" that is neither 0 nor 1', annotation, remedy, f": {format_value(value)}")
            return 0
        self._change(annotation, "iscrowd", number)
        self._warn(notice, annotation)
        return number

    def _read_area(self, annotation: dict[str, Any]) -> float:
        value = annotation.get("area")
        if value is None:
            self._warn('has no "area": it is computed from the mask', annotation)
            return np.nan
        number = real_number(value)
        if number is None:
            remedy = 'Write the number of pixels, or leave "area" out: it is then computed from the mask'
            self._problem('has an "area" that is not a number', annotation, remedy, f": {format_value(value)}")
            return np.nan
        self._change(annotation, "area", number)
        self._warn(_read_as("area", "a number"), annotation)
        return number

    def _read_outline(self, annotation: dict[str, Any], place: int, outline: Any) -> None:
        if type(outline) is list and outline and all(type(part) in (list, array) for part in outline):
            short = [len(part) < POLYGON_NUMBERS or len(part) % 2 != 0 for part in outline]
            if not any(short):
                self._add_parts(place, outline)
            elif all(short) and self._masks_from_boxes:
                self._draw_box(annotation, place)
            elif not any(outline):
                self._miss_outline(annotation)
            # COCO's evaluation infers the format of all polygons from the first one.
            elif short[0] or all(short):
                self._problem("has a polygon with fewer than three points", annotation, "Remove the polygon")
            else:
                self._warn("has a polygon with fewer than three points: training ignores the polygon", annotation)
                self._add_parts(place, [part for part, bad in zip(outline, short, strict=True) if not bad])
        elif type(outline) is dict and outline:
            self._objects.masks[place] = outline
        elif outline:
            remedy = "Write [[x1, y1, x2, y2, x3, y3, …]], one list for each polygon"
            detail = ""
            if type(outline) is str:
                detail, remedy = f": {format_value(outline)}", "Write the value, not its JSON text"
            elif type(outline) is list and any(type(part) is dict for part in outline):
                detail, remedy = (
                    ": a list of objects",
                    "Write one RLE mask for each annotation, without a list around it",
                )
            self._problem('has a "segmentation" that is not a list of lists of numbers', annotation, remedy, detail)
        elif self._masks_from_boxes:
            self._draw_box(annotation, place)
        else:
            self._miss_outline(annotation)

    def _add_parts(self, place: int, parts: Iterable[Polygon]) -> None:
        for part in parts:
            self._objects.parts.append(part)
            self._owners.append(place)

    def _draw_box(self, annotation: dict[str, Any], place: int) -> None:
        x, y, width, height = annotation["bbox"]
        outline = [[x, y, x + width, y, x + width, y + height, x, y + height]]
        self._change(annotation, "segmentation", outline)
        self._objects.masks_from_boxes += 1
        self._add_parts(place, outline)

    def _miss_outline(self, annotation: dict[str, Any]) -> None:
        remedy = 'Add outlines, or set "masks": "from-boxes" in the run\'s input to use the boxes as masks'
        self._problem('has no "segmentation", which mask training needs', annotation, remedy)

    def _change(self, annotation: dict[str, Any], name: str, value: Any) -> None:
        annotation[name] = value
        self._objects.changed = True

    def _unknown(self, kind: str, annotation: dict[str, Any], name: str, remedy: str) -> None:
        value = annotation.get(name)
        # An id of another kind is shown, because it explains why nothing fits.
        detail = "" if type(value) is int else f": {format_value(value)}"
        self._problem(kind, annotation, remedy, detail)

    def _problem(self, kind: str, annotation: dict[str, Any], remedy: str, detail: str = "") -> None:
        self._problems.add(kind, "annotation", format_id(annotation) + detail, remedy)

    def _warn(self, kind: str, annotation: dict[str, Any]) -> None:
        self._warnings.add(kind, "annotation", format_id(annotation))


def format_id(annotation: dict[str, Any]) -> str:
    return f"id {str(annotation.get('id'))[:40]}"


def _read_as(name: str, meaning: str) -> str:
    return f'has "{name}" written as text or with a decimal point: it is read as {meaning}'


def _are_numbers(values: Sequence[Any]) -> bool:
    """Returns whether all values are finite numbers that pycocotools can handle."""
    try:
        # The sum of finite numbers is finite, and NaN or Infinity make it so.
        return NUMBERS.issuperset(map(type, values)) and -1e300 < sum(values) < 1e300
    except OverflowError:
        return False
