"""Checks COCO annotations for what MMDetection and COCO's evaluation require.

A problem stops the run: training or evaluation would fail hours later, or learn from wrong labels. A warning does not
stop it: MMDetection ignores such objects, they may be intended, or they are too few to matter.
"""

import codecs
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from everswin_trainer.data.annotation_text import AnnotationText, Layout, dump, parse
from everswin_trainer.data.findings import Findings, format_count
from everswin_trainer.data.inspect_archives import explain_annotations
from everswin_trainer.data.json_numbers import format_value, whole_number
from everswin_trainer.data.zip_directory import quote

# OpenCV decodes no larger image.
MAX_PIXELS = 1 << 30
UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass
class Annotations:
    """Summary of one split's annotations. `images` holds (file name, width, height).

    `content` is the annotation file in COCO's form if something had to be changed, otherwise empty. `layout` locates
    the records of a file without problems that stays as it is.
    """

    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    categories: list[tuple[int, str]] = field(default_factory=list)
    images: list[tuple[str, int, int]] = field(default_factory=list)
    annotated: int = 0
    instances: int = 0
    # What training loads and learns from, or what validation scores.
    usable_images: int = 0
    usable_objects: int = 0
    masks_from_boxes: int = 0
    content: bytes = b""
    layout: Layout | None = None


def check_annotations(content: bytes, split: str, masks_from_boxes: bool) -> Annotations:
    """Checks the annotations of a split. Never raises, even for malformed content."""
    return _check(lambda: content, split, masks_from_boxes)


def check_file(annotations: Path, split: str, masks_from_boxes: bool) -> Annotations:
    """Checks the annotations of a split in a file, without a copy of its bytes in memory. Raises OSError."""
    return _check(annotations.read_bytes, split, masks_from_boxes)


def _check(read: Callable[[], bytes], split: str, masks_from_boxes: bool) -> Annotations:
    checker = _Checker(split, masks_from_boxes)
    parsed = _parse(read, checker.problems)
    parts = _parts(parsed.document, checker.problems)
    if parts:
        checker.check(*parts)
        if checker.changed and not checker.problems:
            checker.summary.content = dump(parsed.document)
        elif not checker.problems:
            checker.summary.layout = Layout.of(parsed)
    checker.summary.problems, checker.summary.warnings = checker.problems.lines(), checker.warnings.lines()
    return checker.summary


def _parse(read: Callable[[], bytes], problems: Findings) -> AnnotationText:
    try:
        return parse(read().removeprefix(codecs.BOM_UTF8).decode())
    except (ValueError, RecursionError) as error:
        reason = _explain(read().removeprefix(codecs.BOM_UTF8), error)
        problems.add_once(f"the annotations are not JSON in UTF-8: {reason}")
        return AnnotationText(None)


def _explain(content: bytes, error: Exception) -> str:
    """Returns why a file is not JSON, and what to do."""
    if not content.strip():
        return "the file is empty. Export it again"
    if kind := explain_annotations(content):
        return kind
    if content.startswith(UTF16) or 0 in content[:2]:
        return "the file is in UTF-16 or UTF-32. Save it as UTF-8"
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start + 1} of the file is not UTF-8. Save it as UTF-8"
    if isinstance(error, json.JSONDecodeError) and error.msg == "Extra data":
        return f"a second value begins in line {error.lineno}. Write one object with images, annotations and categories"
    return str(error)


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


class _Checker:
    """Checks one split, and writes numbers of another form as COCO does."""

    def __init__(self, split: str, masks_from_boxes: bool) -> None:
        self.summary, self.changed = Annotations(), False
        self.problems, self.warnings = Findings(split), Findings(split)
        self._split, self._masks_from_boxes = split, masks_from_boxes
        # Ids of categories with a problem, which their annotations do not repeat.
        self._refused_categories: set[Any] = set()

    def check(self, images: list[Any], annotations: list[Any], categories: list[Any]) -> None:
        # Imported here: the command's own process needs no NumPy.
        import numpy as np

        from everswin_trainer.data.compare_boxes import check_boxes
        from everswin_trainer.data.mask_shapes import measure_shapes
        from everswin_trainer.data.read_objects import ObjectReader
        from everswin_trainer.data.training_filter import count_usable

        summary, problems, warnings = self.summary, self.problems, self.warnings
        names = self._check_categories(categories)
        indexes, sides = self._check_images(images)
        labels = {key: index for index, key in enumerate(names)} | dict.fromkeys(self._refused_categories)
        reader = ObjectReader(indexes, labels, self._masks_from_boxes, problems, warnings)
        objects = reader.read(annotations)
        readable = not problems
        sizes = np.array(sides, np.int64).reshape(-1, 2)
        of_objects = sizes[objects.image]
        shapes = measure_shapes(objects, of_objects, problems)
        objects.derive_areas(shapes.area)
        check_boxes(objects, of_objects, shapes, problems, warnings)
        self.changed = self.changed or objects.changed
        summary.instances, summary.masks_from_boxes = len(annotations), objects.masks_from_boxes
        summary.annotated = len(np.unique(objects.image))
        if objects.masks_from_boxes:
            count = f"{objects.masks_from_boxes} of {format_count(len(objects.records), 'object')}"
            warnings.add_once(
                f'the masks of {count} are made from boxes ("masks": "from-boxes"): mask AP measures boxes there'
            )
        if not images:
            problems.add_once("the annotations list no images")
        elif not objects.records and readable:
            problems.add_once("no image has annotations")
        elif readable:
            used = set(objects.category.tolist())
            for index, name in enumerate(names.values()):
                if index not in used:
                    warnings.add("has no annotations", "class", quote(name))
            usable = count_usable(objects, sizes, self._split, problems, warnings)
            summary.usable_images, summary.usable_objects = usable

    def _check_categories(self, categories: list[Any]) -> dict[int, str]:
        """Returns names by id, in file order: MMDetection numbers its labels in that order."""
        names: dict[int, str] = {}
        used_names: set[str] = set()
        for number, category in enumerate(categories):
            place = f"number {number + 1} in the file"
            key, name = self._whole(category, "id", "category", place), _field(category, "name")
            if type(name) is int:
                category["name"] = name = str(name)
                self.changed = True
                self.warnings.add('has a number as "name": it is read as text', "category", place)
            if key is None or not isinstance(name, str) or not name.strip():
                remedy = "Write a whole number as id and a text as name"
                wrong = {"id": key, "name": name if isinstance(name, str) else None}
                shown = [format_value(_field(category, one)) for one, valid in wrong.items() if valid is None]
                shown = [f": {one}" for one in shown if one != "null"]
                self.problems.add("has no integer id or no name", "category", place + "".join(shown), remedy)
                self._refused_categories.add(_key(category, key))
            elif key in names:
                self.problems.add("duplicate id", "category", str(key), "Give each category its own id")
            elif name in used_names:
                self.problems.add("duplicate name", "category", quote(name), "Give each category its own name")
            else:
                names[key] = name
                used_names.add(name)
        if not categories:
            self.problems.add_once("the annotations list no categories")
        self.summary.categories = list(names.items())
        return names

    def _check_images(self, images: list[Any]) -> tuple[dict[Any, int | None], list[tuple[int, int]]]:
        """Returns an index by id, None for an image with a problem, and (width, height) by index."""
        problems, sizes = self.problems, []
        indexes: dict[Any, int | None] = {}
        files: set[str] = set()
        for number, image in enumerate(images):
            place = f"number {number + 1} in the file"
            key, name = self._whole(image, "id", "image", place), _field(image, "file_name")
            if key is None:
                value = _field(image, "id")
                if value is not None:
                    kind, place = "has an id that is not a whole number", f"{place}: {format_value(value)}"
                else:
                    kind = "has no integer id"
                problems.add(kind, "image", place, 'Number the images from 1, and use these numbers as "image_id"')
                # The annotations of an image with a problem do not repeat it.
                indexes[_key(image, key)] = None
                continue
            if key in indexes:
                problems.add("duplicate id", "image", str(key), "Give each image its own id")
            indexes[key] = None
            label = quote(name) if isinstance(name, str) and name else f"id {key}"
            width, height = (self._whole(image, side, "image", label) for side in ("width", "height"))
            if not isinstance(name, str) or not name:
                problems.add("has no file_name", "image", label, "Write the path of the image in its folder")
            elif width is None or height is None or width <= 0 or height <= 0:
                problems.add("has no width and height", "image", label, "Write the size of the image in pixels")
            elif width * height > MAX_PIXELS:
                problems.add(f"has more than {MAX_PIXELS} pixels", "image", label, "Cut the image into smaller ones")
            else:
                if name in files:
                    self.warnings.add("listed twice", "image", label)
                files.add(name)
                indexes[key] = len(sizes)
                sizes.append((width, height))
                self.summary.images.append((name, width, height))
        return indexes, sizes

    def _whole(self, record: Any, name: str, noun: str, example: str) -> int | None:
        """Returns the integer that a field plainly means, and writes it as such."""
        value = _field(record, name)
        number = whole_number(value)
        if number is not None and type(value) is not int:
            record[name] = number
            self.changed = True
            kind = f'has "{name}" written as text or with a decimal point: it is read as a whole number'
            self.warnings.add(kind, noun, example)
        return number


def _key(record: Any, key: int | None) -> Any:
    """Returns the id by which other records refer to one, even if it is of another kind."""
    value = _field(record, "id") if key is None else key
    return value if isinstance(value, str | int | float) else None


def _field(record: Any, name: str) -> Any:
    return record.get(name) if isinstance(record, dict) else None
