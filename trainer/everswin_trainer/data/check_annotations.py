"""Checks COCO annotations for what MMDetection and COCO's evaluation require.

A problem stops the run: training or evaluation would fail hours later, or learn from wrong labels. A warning does not
stop it: MMDetection ignores such objects, or they may be intended.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from everswin_trainer.data.findings import Findings
from everswin_trainer.data.zip_directory import quote

# Boxes are rounded to hundredths of a pixel; a corner on the border may fall outside.
TOLERANCE_PIXELS = 1.0
# OpenCV decodes no larger image.
MAX_PIXELS = 1 << 30
POLYGON_NUMBERS = 6
NUMBERS = frozenset((int, float))
# NumPy and torch store ids as int64.
INT64_LIMIT = 1 << 63


@dataclass
class Annotations:
    """Summary of one split's annotations. `images` holds (file name, width, height)."""

    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    categories: list[tuple[int, str]] = field(default_factory=list)
    images: list[tuple[str, int, int]] = field(default_factory=list)
    annotated: int = 0
    instances: int = 0


def check_annotations(content: bytes, split: str) -> Annotations:
    """Checks the annotations of a split. Never raises, even for malformed content."""
    problems, warnings = Findings(split), Findings(split)
    summary = Annotations()
    try:
        document = json.loads(content.decode())
    except (ValueError, RecursionError) as error:
        problems.add_once(f"the annotations are not JSON in UTF-8: {error}")
        document = None
    parts = _parts(document, problems)
    if parts:
        images, annotations, categories = parts
        names = _check_categories(categories, problems, summary)
        sizes = _check_images(images, problems, warnings, summary)
        objects = _AnnotationChecker(sizes, names, problems, warnings)
        for annotation in annotations:
            objects.check(annotation)
        summary.annotated, summary.instances = len(objects.annotated), len(annotations)
        for key in names:
            if key not in objects.used:
                warnings.add("has no annotations", "class", quote(names[key]))
        if not images:
            problems.add_once("the annotations list no images")
        elif not objects.annotated:
            problems.add_once("no image has annotations")
    summary.problems, summary.warnings = problems.lines(), warnings.lines()
    return summary


def _parts(document: Any, problems: Findings) -> list[list[Any]] | None:
    """Returns the lists of images, annotations and categories, or None if one is missing."""
    if document is None:
        return None
    if not isinstance(document, dict):
        problems.add_once("the annotations are not in COCO format: the top level is not an object")
        return None
    parts = [document.get(name) for name in ("images", "annotations", "categories")]
    for name, part in zip(("images", "annotations", "categories"), parts, strict=True):
        if not isinstance(part, list):
            problems.add_once(f'the annotations are not in COCO format: no list "{name}"')
    return parts if all(isinstance(part, list) for part in parts) else None


def _check_categories(categories: list[Any], problems: Findings, summary: Annotations) -> dict[int, str]:
    """Returns names by id, in file order: MMDetection numbers its labels in that order."""
    names: dict[int, str] = {}
    used_names: set[str] = set()
    for number, category in enumerate(categories):
        key, name = _field(category, "id"), _field(category, "name")
        if not _is_integer(key) or not isinstance(name, str) or not name.strip():
            problems.add("has no integer id or no name", "category", f"number {number + 1} in the file")
        elif key in names:
            problems.add("duplicate id", "category", str(key))
        elif name in used_names:
            problems.add("duplicate name", "category", quote(name))
        else:
            names[key] = name
            used_names.add(name)
    if not categories:
        problems.add_once("the annotations list no categories")
    summary.categories = list(names.items())
    return names


def _check_images(
    images: list[Any], problems: Findings, warnings: Findings, summary: Annotations
) -> dict[int, tuple[int, int]]:
    """Returns (width, height) by id."""
    sizes: dict[int, tuple[int, int]] = {}
    files: set[str] = set()
    for number, image in enumerate(images):
        key, name = _field(image, "id"), _field(image, "file_name")
        width, height = _field(image, "width"), _field(image, "height")
        if not _is_integer(key):
            problems.add("has no integer id", "image", f"number {number + 1} in the file")
            continue
        if key in sizes:
            problems.add("duplicate id", "image", str(key))
        sizes[key] = (0, 0)
        if not isinstance(name, str) or not name:
            problems.add("has no file_name", "image", f"id {key}")
        elif not (_is_integer(width) and _is_integer(height) and width > 0 and height > 0):
            problems.add("has no width and height", "image", quote(name))
        elif width * height > MAX_PIXELS:
            problems.add(f"has more than {MAX_PIXELS} pixels", "image", quote(name))
        else:
            if name in files:
                warnings.add("listed twice", "image", quote(name))
            files.add(name)
            sizes[key] = (width, height)
            summary.images.append((name, width, height))
    return sizes


class _AnnotationChecker:
    """Checks the annotations of a split one by one. Collects the ids of annotated images and of used categories."""

    def __init__(
        self, sizes: dict[int, tuple[int, int]], names: dict[int, str], problems: Findings, warnings: Findings
    ) -> None:
        self._sizes, self._names = sizes, names
        self._problems, self._warnings = problems, warnings
        self._ids: set[int] = set()
        self.annotated: set[int] = set()
        self.used: set[int] = set()

    def check(self, annotation: Any) -> None:
        if not isinstance(annotation, dict) or not _is_integer(annotation.get("id")):
            self._problem("has no integer id", annotation)
            return
        key, image, category = annotation["id"], annotation.get("image_id"), annotation.get("category_id")
        if key in self._ids:
            self._problem("duplicate id", annotation)
        self._ids.add(key)
        if not _is_integer(image) or image not in self._sizes:
            self._problem("refers to an image that is not listed", annotation)
            return
        if not _is_integer(category) or category not in self._names:
            self._problem("refers to an unknown category", annotation)
            return
        self.annotated.add(image)
        self.used.add(category)
        if annotation.get("iscrowd") not in (0, 1):
            self._problem('has no "iscrowd" (0 or 1), which the evaluation needs', annotation)
        if not _is_number(annotation.get("area")):
            self._problem('has no "area", which MMDetection needs', annotation)
        width, height = self._sizes[image]
        if width:
            self._check_box(annotation, width, height)
            self._check_outline(annotation, width, height)

    def _check_box(self, annotation: dict[str, Any], width: int, height: int) -> None:
        box = annotation.get("bbox")
        if not isinstance(box, list) or len(box) != 4 or not _are_numbers(box):
            self._problem('has no "bbox" of four numbers (x, y, width, height)', annotation)
            return
        x, y, w, h = box
        if w < 1 or h < 1:
            self._warn("is smaller than one pixel: training ignores it", annotation)
        elif x >= width or y >= height or x + w <= 0 or y + h <= 0:
            self._warn("is outside its image: training ignores it", annotation)
        elif min(x, y) < -TOLERANCE_PIXELS or x + w > width + TOLERANCE_PIXELS or y + h > height + TOLERANCE_PIXELS:
            self._warn("extends beyond its image", annotation)
        elif _is_number(annotation.get("area")) and annotation["area"] <= 0:
            self._warn("has no area: training ignores it", annotation)

    def _check_outline(self, annotation: dict[str, Any], width: int, height: int) -> None:
        outline = annotation.get("segmentation")
        if isinstance(outline, dict):
            size, counts = outline.get("size"), outline.get("counts")
            if size != [height, width]:
                self._problem("has an RLE mask whose size differs from its image", annotation)
            elif isinstance(counts, list):
                if not {int}.issuperset(map(type, counts)) or sum(counts) != width * height:
                    self._problem("has an RLE mask whose counts do not add up to its image", annotation)
            elif not isinstance(counts, str) or not counts:
                self._problem("has an RLE mask without counts", annotation)
        elif not isinstance(outline, list) or not outline:
            self._problem('has no "segmentation", which mask training needs', annotation)
        elif not all(isinstance(one, list) and _are_numbers(one) for one in outline):
            self._problem('has a "segmentation" that is not a list of lists of numbers', annotation)
        else:
            short = [len(one) < POLYGON_NUMBERS or len(one) % 2 != 0 for one in outline]
            # COCO's evaluation infers the format of all polygons from the first one.
            if short[0] or all(short):
                self._problem("has a polygon with fewer than three points", annotation)
            elif any(short):
                self._warn("has a polygon with fewer than three points: training ignores the polygon", annotation)

    def _problem(self, message: str, annotation: Any) -> None:
        self._problems.add(message, "annotation", _format_id(annotation))

    def _warn(self, message: str, annotation: Any) -> None:
        self._warnings.add(message, "annotation", _format_id(annotation))


def _format_id(annotation: Any) -> str:
    return f"id {str(_field(annotation, 'id'))[:40]}"


def _field(record: Any, name: str) -> Any:
    return record.get(name) if isinstance(record, dict) else None


def _is_integer(value: Any) -> bool:
    # True is an int to Python, not to COCO.
    return type(value) is int and -INT64_LIMIT <= value < INT64_LIMIT


def _is_number(value: Any) -> bool:
    return _are_numbers((value,))


def _are_numbers(values: Sequence[Any]) -> bool:
    """Returns whether all values are finite numbers. COCO has 40 million, so there is no call per value."""
    try:
        return NUMBERS.issuperset(map(type, values)) and math.isfinite(sum(values))
    except OverflowError:
        return False
