"""Which detection finds which object, at each of COCO's ten overlaps: pycocotools' rule, kept per detection.

pycocotools keeps its matches as lists of each image, class and size, from which neither errors by type nor scores of
resampled images can be had in reasonable time.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from pycocotools import mask as mask_codec

from everswin_trainer.analysis.ground_truth import GroundTruth, positions, run_lengths
from everswin_trainer.analysis.precision import Ranking, rankings

# As pycocotools writes them.
OVERLAPS = np.linspace(0.5, 0.95, 10)
LEAST_OVERLAP = OVERLAPS[0] - 1e-9
# Detections of one class in one image, for AP.
MOST_DETECTIONS = 100
NOTHING = -1


@dataclass(frozen=True)
class Matches:
    """One entry a detection, by image and then by falling score.

    `source` is its place in the results file; `matched` (n, 10) the object that it finds at each overlap, or NOTHING;
    `ignored` (n, 10) whether that is a crowd, which is neither right nor wrong. `same` and `other` are the object of
    its class and of another one that it overlaps most, crowds left out, and the overlap.
    """

    source: np.ndarray
    image: np.ndarray
    label: np.ndarray
    score: np.ndarray
    area: np.ndarray
    matched: np.ndarray
    ignored: np.ndarray
    same: np.ndarray
    same_overlap: np.ndarray
    other: np.ndarray
    other_overlap: np.ndarray

    @property
    def correct(self) -> np.ndarray:
        return (self.matched != NOTHING) & ~self.ignored

    def rankings(self, classes: int) -> list[Ranking]:
        return rankings(self.label, self.score, self.image, self.correct, ~self.ignored, classes)


def match(truth: GroundTruth, found: list[dict[str, Any]], iou_type: str) -> Matches:
    """`found` in COCO's results format; `iou_type` is `bbox` or `segm`."""
    numbers, labels = positions(truth.images), positions(truth.classes)
    image = np.array([numbers[one["image_id"]] for one in found], np.int32)
    label = np.array([labels[one["category_id"]] for one in found], np.int32)
    score = np.array([one["score"] for one in found], np.float64)
    source = np.lexsort((-score, image))
    source = source[_among_first(image[source], label[source])]
    image, label, score = image[source], label[source], score[source]
    matched = np.full((len(source), len(OVERLAPS)), NOTHING, np.int32)
    nearest = [(np.full(len(source), NOTHING, np.int32), np.zeros(len(source))) for _ in range(2)]
    for detections, objects in _by_image(truth, image):
        shapes = [found[number] for number in source[detections]]
        overlaps = _overlaps(truth, shapes, objects, iou_type)
        same_class = label[detections][:, None] == truth.label[objects][None, :]
        _find(overlaps * same_class, objects, truth.crowd[objects], matched[detections])
        for (which, how_much), apply in zip(nearest, (same_class, ~same_class), strict=True):
            allowed = overlaps * (apply & ~truth.crowd[objects])
            best = allowed.argmax(axis=1)
            how_much[detections] = allowed[np.arange(len(best)), best]
            which[detections] = objects[best]
    ignored = np.append(truth.crowd, False)[matched]
    area = np.array([_area(found[number], iou_type) for number in source], np.float64)
    (same, same_overlap), (other, other_overlap) = nearest
    return Matches(source, image, label, score, area, matched, ignored, same, same_overlap, other, other_overlap)


def _among_first(image: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Which are among the first MOST_DETECTIONS of their image and class."""
    order = np.lexsort((label, image))
    new = np.ones(len(order), bool)
    new[1:] = (np.diff(image[order]) != 0) | (np.diff(label[order]) != 0)
    begin = np.maximum.accumulate(np.where(new, np.arange(len(order)), 0))
    kept = np.empty(len(order), bool)
    kept[order] = np.arange(len(order)) - begin < MOST_DETECTIONS
    return kept


def _by_image(truth: GroundTruth, image: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Detections and objects of each image that has both; crowds come last."""
    order = np.lexsort((truth.crowd, truth.image))
    places = np.arange(len(truth.images) + 1)
    of_detections, of_objects = np.searchsorted(image, places), np.searchsorted(truth.image[order], places)
    for number in range(len(truth.images)):
        detections = slice(of_detections[number], of_detections[number + 1])
        objects = order[of_objects[number] : of_objects[number + 1]]
        if detections.stop > detections.start and len(objects):
            yield detections, objects


def _overlaps(truth: GroundTruth, shapes: list[dict[str, Any]], objects: np.ndarray, iou_type: str) -> np.ndarray:
    """(detections, objects) as pycocotools counts it: over a crowd, the share of the detection that lies on it."""
    crowds = truth.crowd[objects].astype(np.uint8)
    if iou_type == "bbox":
        boxes = np.array([one["bbox"] for one in shapes], np.float64)
        theirs = np.array([truth.objects[number]["bbox"] for number in objects], np.float64)
        return mask_codec.iou(boxes, theirs, crowds)
    return mask_codec.iou([_mask(one) for one in shapes], [truth.mask(number) for number in objects], crowds)


def _mask(detection: dict[str, Any]) -> dict[str, Any]:
    segmentation = detection["segmentation"]
    return run_lengths(segmentation, *segmentation["size"])


def _find(overlaps: np.ndarray, objects: np.ndarray, crowd: np.ndarray, matched: np.ndarray) -> None:
    """Fills `matched`: the best object of its class that is still free, the last of equals; crowds are always free."""
    taken = np.zeros((len(OVERLAPS), len(objects)), bool)
    for detection in np.flatnonzero((overlaps >= LEAST_OVERLAP).any(axis=1)):
        candidates = [(one, overlaps[detection, one]) for one in np.flatnonzero(overlaps[detection] >= LEAST_OVERLAP)]
        for level, wanted in enumerate(OVERLAPS):
            best, least = NOTHING, min(wanted, 1 - 1e-10)
            for one, overlap in candidates:
                if taken[level, one] and not crowd[one]:
                    continue
                # What is no crowd comes first.
                if best != NOTHING and crowd[one] and not crowd[best]:
                    break
                if overlap >= least:
                    best, least = one, overlap
            if best != NOTHING:
                taken[level, best] = True
                matched[detection, level] = objects[best]


def _area(detection: dict[str, Any], iou_type: str) -> float:
    if iou_type == "bbox":
        return detection["bbox"][2] * detection["bbox"][3]
    return float(mask_codec.area(_mask(detection)))
