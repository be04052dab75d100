"""Converts Pascal VOC to COCO format: an XML file for each image, with boxes, polygons or a picture of its objects."""

import re
import xml.etree.ElementTree as ElementTree
from pathlib import PurePosixPath
from typing import Any

import cv2
import numpy as np
from pycocotools import mask as coco_mask

from everswin_trainer.importing.image_size import decode, image_size
from everswin_trainer.importing.match_images import ImageFiles
from everswin_trainer.importing.part import Part, find_role
from everswin_trainer.importing.source import CannotImport, Source

# The color of borders, which belong to no object.
BORDER = (192, 224, 224)
# Share by which the box of an object and that of its mask must agree.
MIN_OVERLAP = 0.5


def find_voc(source: Source) -> list[Part]:
    """Returns one part for each split, or nothing if the source holds no Pascal VOC data set. Raises CannotImport."""
    records = {name: record for name in source.names if (record := _read_record(source, name)) is not None}
    if not records:
        return []
    listed = _listed_splits(source)
    groups: dict[str, list[str]] = {}
    for name in records:
        groups.setdefault(listed.get(PurePosixPath(name).stem, find_role(name)), []).append(name)
    classes = sorted({_text(one, "name") for record in records.values() for one in record.iter("object")})
    return [
        _convert(source, role, {name: records[name] for name in names}, classes)
        for role, names in sorted(groups.items())
    ]


def _read_record(source: Source, name: str) -> ElementTree.Element | None:
    if not name.lower().endswith(".xml"):
        return None
    content = source.read(name)
    if b"<annotation>" not in content[:4000] or b"<!ENTITY" in content:
        return None
    try:
        record = ElementTree.fromstring(content)
    except ElementTree.ParseError as error:
        raise CannotImport(f"{name} is not valid XML: {error}") from error
    return record if record.tag == "annotation" and record.find("filename") is not None else None


def _listed_splits(source: Source) -> dict[str, str]:
    """Returns the role of each image that ImageSets names. `trainval` only adds what no other list names."""
    roles: dict[str, str] = {}
    for name in sorted(source.names, key=lambda one: "trainval" in one):
        path = PurePosixPath(name)
        if "ImageSets" in path.parts and path.stem in ("train", "val", "test", "trainval"):
            for line in source.read(name).decode(errors="replace").splitlines():
                if line.strip():
                    roles.setdefault(re.sub(r"\s+-?[01]$", "", line.strip()), find_role(path.stem))
    return roles


def _convert(source: Source, role: str, records: dict[str, ElementTree.Element], classes: list[str]) -> Part:
    # An image and its record share their name; <filename> is often that of the first image or of the camera.
    listed = {name: _image_name(name, record) for name, record in records.items()}
    match = ImageFiles(source.names).match(list(listed.values()), next(iter(records)))
    pictures = {PurePosixPath(name).stem: name for name in source.names if "SegmentationObject/" in name}
    numbers = {name: number for number, name in enumerate(classes, 1)}
    document: dict[str, Any] = {
        "images": [],
        "annotations": [],
        "categories": [{"id": number, "name": name} for name, number in numbers.items()],
    }
    notes: list[str] = []
    for name, record in records.items():
        file_name = match.found.get(listed[name])
        if file_name is None:
            continue
        image_id = len(document["images"]) + 1
        width, height = image_size(source, f"{match.root}/{file_name}" if match.root else file_name)
        document["images"].append({"id": image_id, "file_name": file_name, "width": width, "height": height})
        picture = pictures.get(PurePosixPath(name).stem)
        masks = _masks(source, picture, (height, width)) if picture else []
        for one in record.iter("object"):
            annotation = _annotation(one, masks, name)
            annotation |= {
                "id": len(document["annotations"]) + 1,
                "image_id": image_id,
                "category_id": numbers[_text(one, "name")],
                "iscrowd": 0,
            }
            document["annotations"].append(annotation)
    if match.missing:
        examples = ", ".join(match.missing[:5])
        if len(match.missing) * 10 > len(records):
            raise CannotImport(
                f"{len(match.missing)} of {len(records)} images are not there ({examples}). Export the data with them."
            )
        notes.append(f"{len(match.missing)} listed images are not there: {examples}")
    match.found = {name: name for name in match.found.values()}
    return Part(
        role, f"{match.root or '.'} (Pascal VOC)", document, source, None, match=match, notes=notes, changed=True
    )


def _image_name(name: str, record: ElementTree.Element) -> str:
    """Returns the record's name with the ending of its image; the match of images accepts another ending too."""
    return PurePosixPath(name).stem + (PurePosixPath(_text(record, "filename")).suffix or ".jpg")


def _masks(source: Source, picture: str, size: tuple[int, int]) -> list[np.ndarray]:
    """Returns the mask of each object of a picture, which draws every object in its own color."""
    pixels = decode(source, picture)
    if pixels.shape[:2] != size:
        raise CannotImport(f"{picture} is {pixels.shape[1]} x {pixels.shape[0]}, its image {size[1]} x {size[0]}.")
    colors = np.unique(pixels.reshape(-1, 3), axis=0)
    return [
        np.asarray((pixels == color).all(axis=2), np.uint8)
        for color in colors
        if color.any() and tuple(color) != BORDER
    ]


def _annotation(one: ElementTree.Element, masks: list[np.ndarray], name: str) -> dict[str, Any]:
    """Returns box, area and outline of an object; the outline is missing if the record has only a box."""
    corners = [one.findtext(f"bndbox/{key}") for key in ("xmin", "ymin", "xmax", "ymax")]
    try:
        left, top, right, bottom = (float(value or "") for value in corners)
    except ValueError as error:
        raise CannotImport(
            f"{name} cannot be used: expected numbers xmin, ymin, xmax and ymax in <bndbox>, got {corners}."
        ) from error
    annotation = {"bbox": [left, top, right - left, bottom - top], "area": (right - left) * (bottom - top)}
    polygon = one.find("polygon")
    if polygon is not None and len(polygon) >= 6:
        outline = [float(value.text or 0) for value in polygon]
        contour = np.array(outline, np.float32).reshape(-1, 1, 2)
        return {**annotation, "area": float(cv2.contourArea(contour)), "segmentation": [outline]}
    overlaps = [_overlap(_box_of(mask), (left, top, right, bottom)) for mask in masks]
    if overlaps and max(overlaps) >= MIN_OVERLAP:
        mask = masks[int(np.argmax(overlaps))]
        encoded = coco_mask.encode(np.asfortranarray(mask))
        x, y, x2, y2 = _box_of(mask)
        segmentation = {"size": list(encoded["size"]), "counts": encoded["counts"].decode()}
        return {"bbox": [x, y, x2 - x, y2 - y], "area": int(mask.sum()), "segmentation": segmentation}
    return annotation


def _box_of(mask: np.ndarray) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _overlap(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = max(0.0, width) * max(0.0, height)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
    return shared / union if union > 0 else 0.0


def _text(parent: ElementTree.Element, key: str) -> str:
    return (parent.findtext(key) or "").strip()
