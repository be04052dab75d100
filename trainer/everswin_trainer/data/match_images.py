"""Matches the images that a split's annotations list with the files of its archive."""

from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from everswin_trainer.data.annotation_text import parse
from everswin_trainer.data.archive_scan import NOT_IMAGE_SUFFIXES, OpenArchive, ScannedImage, compare_orientation
from everswin_trainer.data.bad_images import Fault
from everswin_trainer.data.check_annotations import Annotations
from everswin_trainer.data.dataset_spec import SplitSpec
from everswin_trainer.data.decode_image import INCOMPLETE, NOT_DECODABLE
from everswin_trainer.data.findings import Findings, format_count
from everswin_trainer.data.name_matching import explain_missing
from everswin_trainer.data.orientation_evidence import Evidence, find_outlines
from everswin_trainer.data.zip_directory import Entry, is_hidden, quote

# Rotated images whose outlines are compared with edges.
MOST_COMPARED = 100
CHECK_TURNED = (
    "They fit if the labeling tool showed the image as photo viewers do. If it showed the image as the file stores it, "
    "remove the orientation from the files (exiftool -Orientation= FILES)"
)
CHECK_IGNORED = (
    "They fit if the labeling tool showed the image as the file stores it. If it showed the image as photo viewers do, "
    "write the pixels in that orientation (magick mogrify -auto-orient FILES)"
)
REMOVE_ORIENTATION = "Remove the orientation from the files (exiftool -Orientation= FILES), and keep the annotations"


@dataclass
class Split:
    """A split during preparation. `images` pairs the entry of each listed image with the result of its scan."""

    spec: SplitSpec
    annotations: Annotations
    images: list[tuple[Entry, ScannedImage]] = field(default_factory=list)


@dataclass
class Match:
    """Result of matching a split. `explanation` says how the missing images would match."""

    faults: list[Fault] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    explanation: list[str] = field(default_factory=list)


class ImageMatcher:
    """Matches one split. Adds the images that it finds to the split."""

    def __init__(
        self, name: str, split: Split, archive: OpenArchive, scanned: Mapping[int, ScannedImage], shared: bool
    ) -> None:
        """`scanned` holds the inspected entries of the archive by number. `shared`: both splits use the archive."""
        self._name, self._split, self._archive, self._scanned = name, split, archive, scanned
        self._shared = shared
        self._result, self._warnings = Match(), Findings(name)
        self._listed: set[int] = set()
        # Rotated images whose size does not tell whether they were annotated before the rotation.
        self._turned: dict[str, int] = {}

    def match(self, annotations: Path, pool: Executor) -> Match:
        """Compares the annotations of each image with its file. `annotations` is the split's prepared JSON file."""
        spec, entries = self._split.spec, self._archive.entries
        prefix = f"{spec.folder}/" if spec.folder else ""
        numbers = {one.name: number for number, one in enumerate(entries) if one.name.startswith(prefix)}
        location = spec.archive + (f"/{spec.folder}" if prefix else "")
        missing: list[str] = []
        for file_name, width, height in self._split.annotations.images:
            number = numbers.get(prefix + file_name)
            if number is None:
                self._add_fault(file_name, f"listed, but not in {location}")
                missing.append(file_name)
            elif number in self._scanned:
                self._inspect(number, file_name, (width, height))
            elif file_name.endswith(NOT_IMAGE_SUFFIXES):
                self._add_fault(file_name, "is not an image")
        for file_name, number in numbers.items():
            if not self._shared and number not in self._listed and _may_be_image(file_name):
                self._warnings.add(f"in {location}, but not listed", "file", quote(file_name))
        if missing:
            rest = [entry.name for number, entry in enumerate(entries) if number not in self._listed]
            free = [name for name in rest if _may_be_image(name)]
            self._result.explanation = explain_missing(missing, free, spec.archive, spec.folder, self._name)
        if self._turned and not self._split.annotations.problems:
            self._judge_turned(self._compare_outlines(parse(annotations.read_bytes().decode()).document, pool))
        self._result.warnings = self._warnings.lines()
        return self._result

    def _inspect(self, number: int, file_name: str, expected: tuple[int, int]) -> None:
        image = self._scanned[number]
        self._listed.add(number)
        self._split.images.append((self._archive.entries[number], image))
        if fault := _find_fault(image, expected, file_name):
            self._result.faults.append(fault)
        elif image.orientation == "turned" and image.size == image.stored_size:
            self._turned[file_name] = number
        elif image.orientation == "ignored":
            problem = "has an orientation that training ignores: check its annotations"
            self._warnings.add(problem, "image", quote(file_name), CHECK_IGNORED)

    def _add_fault(self, file_name: str, problem: str) -> None:
        self._result.faults.append(Fault(file_name, problem, quote(file_name)))

    def _judge_turned(self, evidence: Evidence) -> None:
        total = evidence.loaded + evidence.stored
        if evidence.verdict() == "stored":
            problem = (
                "is rotated on loading (EXIF orientation), but annotated without rotation, as outlines show in "
                f"{evidence.stored} of {format_count(total, 'image')}"
            )
            self._result.faults += [Fault(name, problem, quote(name), REMOVE_ORIENTATION) for name in self._turned]
        elif evidence.verdict() == "unclear":
            problem = "is flipped or rotated on loading (EXIF orientation): check its annotations"
            found = (
                f". Outlines fit the edges of the rotated image in {evidence.loaded} of {total}" if total > 2 else ""
            )
            for name in self._turned:
                self._warnings.add(problem, "image", quote(name), CHECK_TURNED + found)

    def _compare_outlines(self, document: dict[str, Any], pool: Executor) -> Evidence:
        names = {image["id"]: image["file_name"] for image in document["images"] if image["file_name"] in self._turned}
        objects: dict[str, list[dict[str, Any]]] = {}
        for annotation in document["annotations"]:
            if annotation["image_id"] in names:
                objects.setdefault(names[annotation["image_id"]], []).append(annotation)
        sample = list(objects)[:: -(-len(objects) // MOST_COMPARED) or 1]
        compared = [
            pool.submit(compare_orientation, self._archive.name, self._turned[name], find_outlines(objects[name]))
            for name in sample
        ]
        results = [future.result() for future in compared]
        return Evidence(results.count(1), results.count(-1))


def _may_be_image(path: str) -> bool:
    return not any(map(is_hidden, path.split("/"))) and not path.endswith(NOT_IMAGE_SUFFIXES)


def _find_fault(image: ScannedImage, expected: tuple[int, int], file_name: str) -> Fault | None:
    """Returns why training cannot use an image whose annotations have the size `expected`."""
    name = quote(file_name)
    if image.problem or image.size is None:
        problem = image.problem or NOT_DECODABLE
        again = "Copy or download it again" if problem in INCOMPLETE else "Convert it to JPEG or PNG, or replace it"
        return Fault(file_name, problem, name, again)
    if image.size == expected:
        return None
    sizes = f"{name}: {_format_size(image.size)} instead of {_format_size(expected)}"
    if image.orientation == "turned" and image.stored_size == expected:
        problem = "is rotated on loading (EXIF orientation), but annotated without rotation"
        return Fault(file_name, problem, sizes, REMOVE_ORIENTATION)
    return Fault(
        file_name,
        "differs in size from its annotations",
        sizes,
        "Use the images that were annotated; boxes and masks do not fit a resized or cropped copy",
    )


def _format_size(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"
