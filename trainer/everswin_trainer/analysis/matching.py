"""Matches detections with objects by pycocotools' rule, at each of COCO's ten IoU thresholds.

Keeps one entry per detection. pycocotools keeps lists per image, class and size; computing error types and bootstrap
scores from those takes too long.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from pycocotools import mask as mask_codec

from everswin_trainer.analysis.ground_truth import GroundTruth, positions, run_lengths
from everswin_trainer.analysis.precision import Ranking, rankings

# The same expression as in pycocotools.
IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
MIN_IOU = IOU_THRESHOLDS[0] - 1e-9
# Limit of detections per class and image in COCO's AP.
MAX_DETECTIONS_PER_CLASS = 100
NO_OBJECT = -1


@dataclass(frozen=True)
class Matches:
    """Matches with one entry per detection, sorted by image and then by descending score.

    `source` is the index in the results file. `matched` (n, 10) is the matched object at each IoU threshold, or
    NO_OBJECT. `ignored` (n, 10) is whether that object is a crowd, so that the detection does not count. `same` is the
    object of the detection's class with the largest IoU, `other` that of any other class; both exclude crowds.
    `any_class` is the object matched at IoU 0.5 if classes are disregarded, or NO_OBJECT; it is never a crowd.
    """

    source: np.ndarray
    image: np.ndarray
    label: np.ndarray
    score: np.ndarray
    area: np.ndarray
    matched: np.ndarray
    ignored: np.ndarray
    same: np.ndarray
    same_iou: np.ndarray
    other: np.ndarray
    other_iou: np.ndarray
    any_class: np.ndarray

    @property
    def correct(self) -> np.ndarray:
        return (self.matched != NO_OBJECT) & ~self.ignored

    def rankings(self, classes: int) -> list[Ranking]:
        return rankings(self.label, self.score, self.image, self.correct, ~self.ignored, classes)


def match(truth: GroundTruth, results: list[dict[str, Any]], iou_type: str) -> Matches:
    """Matches `results` in COCO's results format with the ground truth; `iou_type` is `bbox` or `segm`."""
    numbers, labels = positions(truth.images), positions(truth.classes)
    image = np.array([numbers[one["image_id"]] for one in results], np.int32)
    label = np.array([labels[one["category_id"]] for one in results], np.int32)
    score = np.array([one["score"] for one in results], np.float64)
    source = np.lexsort((-score, image))
    source = source[_is_within_limit(image[source], label[source])]
    image, label, score = image[source], label[source], score[source]
    matched = np.full((len(source), len(IOU_THRESHOLDS)), NO_OBJECT, np.int32)
    any_class = np.full(len(source), NO_OBJECT, np.int32)
    nearest = [(np.full(len(source), NO_OBJECT, np.int32), np.zeros(len(source))) for _ in range(2)]
    for detections, objects in _by_image(truth, image):
        shapes = [results[number] for number in source[detections]]
        overlaps = _overlaps(truth, shapes, objects, iou_type)
        same_class = label[detections][:, None] == truth.label[objects][None, :]
        _fill_matched(overlaps * same_class, objects, truth.crowd[objects], matched[detections])
        _fill_any_class(overlaps * ~truth.crowd[objects], objects, any_class[detections])
        for (nearest_object, nearest_overlap), allowed in zip(nearest, (same_class, ~same_class), strict=True):
            candidates = overlaps * (allowed & ~truth.crowd[objects])
            best = candidates.argmax(axis=1)
            nearest_overlap[detections] = candidates[np.arange(len(best)), best]
            nearest_object[detections] = objects[best]
    ignored = np.append(truth.crowd, False)[matched]
    area = np.array([_area(results[number], iou_type) for number in source], np.float64)
    (same, same_iou), (other, other_iou) = nearest
    return Matches(source, image, label, score, area, matched, ignored, same, same_iou, other, other_iou, any_class)


def _is_within_limit(image: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Returns whether each detection is among the first MAX_DETECTIONS_PER_CLASS of its image and class."""
    order = np.lexsort((label, image))
    new = np.ones(len(order), bool)
    new[1:] = (np.diff(image[order]) != 0) | (np.diff(label[order]) != 0)
    begin = np.maximum.accumulate(np.where(new, np.arange(len(order)), 0))
    kept = np.empty(len(order), bool)
    kept[order] = np.arange(len(order)) - begin < MAX_DETECTIONS_PER_CLASS
    return kept


def _by_image(truth: GroundTruth, image: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Yields the detections and objects of each image that has both; crowds come last."""
    order = np.lexsort((truth.crowd, truth.image))
    numbers = np.arange(len(truth.images) + 1)
    detection_bounds = np.searchsorted(image, numbers)
    object_bounds = np.searchsorted(truth.image[order], numbers)
    for number in range(len(truth.images)):
        detections = slice(detection_bounds[number], detection_bounds[number + 1])
        objects = order[object_bounds[number] : object_bounds[number + 1]]
        if detections.stop > detections.start and len(objects):
            yield detections, objects


def _overlaps(truth: GroundTruth, shapes: list[dict[str, Any]], objects: np.ndarray, iou_type: str) -> np.ndarray:
    """Returns IoUs (detections, objects) as pycocotools: for a crowd, the share of the detection inside the crowd."""
    crowds = truth.crowd[objects].astype(np.uint8)
    if iou_type == "bbox":
        boxes = np.array([one["bbox"] for one in shapes], np.float64)
        object_boxes = np.array([truth.objects[number]["bbox"] for number in objects], np.float64)
        return mask_codec.iou(boxes, object_boxes, crowds)
    return mask_codec.iou([_mask(one) for one in shapes], [truth.mask(number) for number in objects], crowds)


def _mask(detection: dict[str, Any]) -> dict[str, Any]:
    segmentation = detection["segmentation"]
    return run_lengths(segmentation, *segmentation["size"])


def _fill_matched(overlaps: np.ndarray, objects: np.ndarray, crowd: np.ndarray, matched: np.ndarray) -> None:
    """Fills `matched` with the unmatched object of largest IoU, the last one on a tie; a crowd may match repeatedly."""
    is_matched = np.zeros((len(IOU_THRESHOLDS), len(objects)), bool)
    for detection in np.flatnonzero((overlaps >= MIN_IOU).any(axis=1)):
        candidates = [(one, overlaps[detection, one]) for one in np.flatnonzero(overlaps[detection] >= MIN_IOU)]
        for level, threshold in enumerate(IOU_THRESHOLDS):
            best, least = NO_OBJECT, min(threshold, 1 - 1e-10)
            for one, overlap in candidates:
                if is_matched[level, one] and not crowd[one]:
                    continue
                # Any other object takes precedence over a crowd.
                if best != NO_OBJECT and crowd[one] and not crowd[best]:
                    break
                if overlap >= least:
                    best, least = one, overlap
            if best != NO_OBJECT:
                is_matched[level, best] = True
                matched[detection, level] = objects[best]


def _fill_any_class(overlaps: np.ndarray, objects: np.ndarray, matched: np.ndarray) -> None:
    """Fills `matched` with the unmatched object of largest IoU, whatever its class, by descending score."""
    left = overlaps.copy()
    for detection in np.flatnonzero((overlaps >= MIN_IOU).any(axis=1)):
        best = left[detection].argmax()
        if left[detection, best] >= MIN_IOU:
            matched[detection] = objects[best]
            left[:, best] = 0


def _area(detection: dict[str, Any], iou_type: str) -> float:
    if iou_type == "bbox":
        return detection["bbox"][2] * detection["bbox"][3]
    return float(mask_codec.area(_mask(detection)))
