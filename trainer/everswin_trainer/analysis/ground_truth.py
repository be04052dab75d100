"""Loads annotations as arrays, and converts masks of annotations and detections to run lengths."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as mask_codec

RunLengths = dict[str, Any]
# COCO's limits of the object area in pixels.
SIZES = ("small", "medium", "large")
SIZE_LIMITS = (32**2, 96**2)


@dataclass(frozen=True)
class GroundTruth:
    """Annotations of a data set. The arrays hold one value per object.

    `image` is an index into `images`, which are sorted by id as in pycocotools; `label` is an index into `classes`.
    """

    images: list[dict[str, Any]]
    classes: list[dict[str, Any]]
    objects: list[dict[str, Any]]
    image: np.ndarray
    label: np.ndarray
    crowd: np.ndarray
    area: np.ndarray

    @classmethod
    def load(cls, annotations: Path) -> "GroundTruth":
        content = json.loads(annotations.read_bytes())
        images = sorted(content["images"], key=lambda one: one["id"])
        classes, objects = content["categories"], content["annotations"]
        numbers, labels = positions(images), positions(classes)
        return cls(
            images,
            classes,
            objects,
            np.array([numbers[one["image_id"]] for one in objects], np.int32),
            np.array([labels[one["category_id"]] for one in objects], np.int32),
            np.array([bool(one.get("iscrowd", 0)) for one in objects], bool),
            np.array([one["area"] for one in objects], np.float64),
        )

    def mask(self, number: int) -> RunLengths:
        """Returns the compressed run lengths of an object."""
        image = self.images[self.image[number]]
        return run_lengths(self.objects[number]["segmentation"], image["height"], image["width"])

    def count(self) -> np.ndarray:
        """Returns the number of objects (images, classes), without crowds."""
        counts = np.zeros((len(self.images), len(self.classes)), np.int64)
        np.add.at(counts, (self.image[~self.crowd], self.label[~self.crowd]), 1)
        return counts


def positions(records: list[dict[str, Any]]) -> dict[int, int]:
    """Returns the position of each record by id."""
    return {one["id"]: number for number, one in enumerate(records)}


def run_lengths(segmentation: Any, height: int, width: int) -> RunLengths:
    """Returns compressed run lengths of a segmentation: polygons, uncompressed or compressed run lengths."""
    if isinstance(segmentation, list):
        return mask_codec.merge(mask_codec.frPyObjects(segmentation, height, width))
    if isinstance(segmentation["counts"], list):
        return mask_codec.frPyObjects(segmentation, height, width)
    return segmentation


def size_of(area: np.ndarray) -> np.ndarray:
    """Returns the size class of each area as an index into SIZES."""
    return np.digitize(area, SIZE_LIMITS)
