"""Converts YOLO labels to COCO format: a text file for each image, with one object per line."""

import re
from pathlib import PurePosixPath
from typing import Any

import yaml

from everswin_trainer.importing.image_size import image_size
from everswin_trainer.importing.match_images import Match, common_folder, is_image_name
from everswin_trainer.importing.part import Part, find_role
from everswin_trainer.importing.source import CannotImport, Source

CLASS_FILES = ("classes.txt", "obj.names", "predefined_classes.txt", "labels.txt")
MAX_EXAMPLES = 5


def find_yolo(source: Source) -> list[Part]:
    """Returns one part for each split, or nothing if the source holds no YOLO data set. Raises CannotImport."""
    labels = _labels_of_images(source)
    names = _read_names(source)
    if not labels or (names is None and not _looks_like_labels(source, labels)):
        return []
    if names is None:
        raise CannotImport(
            "The text files look like YOLO labels, but no file names their classes. Add data.yaml (names: [a, b]) or "
            "classes.txt with one name per line."
        )
    groups: dict[str, list[str]] = {}
    listed = _listed_splits(source)
    for image in labels:
        groups.setdefault(listed.get(image, find_role(image)), []).append(image)
    problems: list[str] = []
    parts = [_convert(source, role, images, labels, names, problems) for role, images in sorted(groups.items())]
    if problems:
        more = f"\n- and {len(problems) - MAX_EXAMPLES} more" if len(problems) > MAX_EXAMPLES else ""
        lines = "\n- ".join(problems[:MAX_EXAMPLES])
        raise CannotImport(f"The YOLO labels cannot be used:\n- {lines}{more}")
    return parts


def _labels_of_images(source: Source) -> dict[str, str | None]:
    """Returns the label file of each image; None for an image without one, which has no objects."""
    names = set(source.names)
    labels: dict[str, str | None] = {}
    for name in source.names:
        if is_image_name(name) and PurePosixPath(name).suffix:
            labels[name] = next((one for one in _label_names(name) if one in names), None)
    return labels if any(labels.values()) else {}


def _label_names(image: str) -> list[str]:
    """Returns the usual names of an image's labels: in `labels` next to `images`, in the same folder, or below it."""
    stem = str(PurePosixPath(image).with_suffix(""))
    parts = stem.split("/")
    swapped = [
        "/".join([*parts[:at], "labels", *parts[at + 1 :]]) for at in range(len(parts) - 1) if parts[at] == "images"
    ]
    below = "/".join([*parts[:-1], "labels", parts[-1]])
    return [f"{one}.txt" for one in (*reversed(swapped), stem, below)]


def _looks_like_labels(source: Source, labels: dict[str, str | None]) -> bool:
    first = next(one for one in labels.values() if one)
    return re.match(rb"^\s*\d+(\s+-?[\d.]+(e-?\d+)?){4,}\s*$", source.read(first).split(b"\n")[0]) is not None


def _read_names(source: Source) -> dict[int, str] | None:
    """Returns the classes by number, or None if no file names them."""
    for name in source.names:
        if name.lower().endswith((".yaml", ".yml")):
            try:
                document = yaml.safe_load(source.read(name))
            except yaml.YAMLError as error:
                raise CannotImport(f"{name} is not valid YAML: {error}") from error
            names = document.get("names") if isinstance(document, dict) else None
            if names and "kpt_shape" in document:
                raise CannotImport(f"{name} describes key points (kpt_shape). Export the outlines of the objects.")
            if isinstance(names, dict):
                return {int(key): str(value) for key, value in sorted(names.items())}
            if isinstance(names, list):
                return dict(enumerate(map(str, names)))
    for name in source.names:
        if PurePosixPath(name).name.lower() in CLASS_FILES:
            lines = source.read(name).decode("utf-8-sig").splitlines()
            return dict(enumerate(line.strip() for line in lines if line.strip()))
    return None


def _listed_splits(source: Source) -> dict[str, str]:
    """Returns the role of each image that a list such as train.txt names."""
    roles: dict[str, str] = {}
    for name in source.names:
        role = find_role(PurePosixPath(name).name)
        if name.endswith(".txt") and role and "labels" not in name.split("/"):
            for line in source.read(name).decode(errors="replace").splitlines():
                listed = line.strip().removeprefix("./")
                matches = [one for one in (listed, listed.removeprefix("data/")) if one in source.names]
                roles.update(dict.fromkeys(matches, role))
    return roles


def _convert(
    source: Source,
    role: str,
    images: list[str],
    labels: dict[str, str | None],
    names: dict[int, str],
    problems: list[str],
) -> Part:
    document: dict[str, Any] = {
        "images": [],
        "annotations": [],
        "categories": [{"id": key + 1, "name": name} for key, name in names.items()],
    }
    root = common_folder(images)
    for number, image in enumerate(images, 1):
        width, height = image_size(source, image)
        file_name = image[len(root) + 1 :] if root else image
        document["images"].append({"id": number, "file_name": file_name, "width": width, "height": height})
        label = labels[image]
        for line_number, line in enumerate(source.read(label).splitlines() if label else [], 1):
            if not line.strip():
                continue
            try:
                annotation = _parse_line(line.decode(), names, (width, height))
            except ValueError as error:
                problems.append(f"{label}, line {line_number}: {error}")
                continue
            annotation |= {"id": len(document["annotations"]) + 1, "image_id": number, "iscrowd": 0}
            document["annotations"].append(annotation)
    without = sum(label is None for label in (labels[image] for image in images))
    have = "image has" if without == 1 else "images have"
    notes = [f"{without} {have} no label file and no objects"] if without else []
    match = Match(root=root, found={one["file_name"]: one["file_name"] for one in document["images"]})
    return Part(role, f"{root or '.'} (YOLO)", document, source, None, match=match, notes=notes, changed=True)


def _parse_line(line: str, names: dict[int, str], size: tuple[int, int]) -> dict[str, Any]:
    """Returns category, box, area and outline of a line. Raises ValueError."""
    first, *rest = line.split()
    key = int(float(first)) if re.fullmatch(r"\d+(\.0+)?", first) else -1
    if key not in names:
        raise ValueError(f"expected a class from 0 to {max(names, default=0)}, which have names, got {first[:20]!r}")
    try:
        values = [float(value) for value in rest]
    except ValueError as error:
        raise ValueError(f"expected numbers, got {line[:60]!r}") from error
    if any(not -0.05 <= value <= 1.05 for value in values):
        raise ValueError("expected coordinates from 0 to 1, as shares of width and height")
    width, height = size
    if len(values) in (4, 5):
        # Center and size; predictions add a confidence.
        x, y, w, h = (value * side for value, side in zip(values[:4], (width, height, width, height), strict=True))
        return {"category_id": key + 1, "bbox": [x - w / 2, y - h / 2, w, h], "area": w * h}
    if len(values) < 6 or len(values) % 2:
        raise ValueError(
            f"expected a box (4 numbers) or an outline (an even count of at least 6 numbers), got {len(values)} numbers"
        )
    outline = [round(value * (height if index % 2 else width), 2) for index, value in enumerate(values)]
    xs, ys = outline[::2], outline[1::2]
    pairs = list(zip(xs, ys, xs[1:] + xs[:1], ys[1:] + ys[:1], strict=True))
    area = abs(sum(x * next_y - next_x * y for x, y, next_x, next_y in pairs)) / 2
    box = [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]
    return {"category_id": key + 1, "bbox": box, "area": area, "segmentation": [outline]}
