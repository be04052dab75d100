"""Compares an exported graph in onnxruntime with MMDetection on the same inputs."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from everswin_trainer.detector.onnx_input import OnnxInput

# Boxes of the same object differ by rounding only.
SAME_BOX_PIXELS = 1.0


@dataclass(frozen=True)
class Found:
    """Detections of one picture: boxes as corners, scores, labels, and mask probabilities in each box."""

    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    masks: np.ndarray


@dataclass
class Differences:
    """Largest differences so far. A detection of one side only counts with its score above the lowest reported one."""

    images: int = 0
    detections: int = 0
    largest: dict[str, float] = field(default_factory=lambda: {"scores": 0.0, "boxes": 0.0, "masks": 0.0})

    def add(self, expected: Found, actual: Found, lowest_score: float) -> None:
        self.images += 1
        self.detections += len(expected.scores)
        left = set(range(len(actual.scores)))
        for index in range(len(expected.scores)):
            match = _closest(expected, index, actual, left)
            if match is None:
                self._grow("scores", float(expected.scores[index]) - lowest_score)
                continue
            left.remove(match)
            for name in self.largest:
                ours, theirs = getattr(expected, name)[index], getattr(actual, name)[match]
                self._grow(name, float(np.abs(ours - theirs).max()))
        for index in left:
            self._grow("scores", float(actual.scores[index]) - lowest_score)

    def _grow(self, name: str, difference: float) -> None:
        # Also keeps NaN, which is larger than nothing.
        if not difference <= self.largest[name]:
            self.largest[name] = difference


def predict_with_mmdetection(model: Any, given: OnnxInput, picture: np.ndarray) -> Found:
    """Returns the detections of a BGR picture from MMDetection's own forward."""
    from mmdet.structures import DetDataSample
    from mmdet.structures.bbox import bbox2roi

    image, shape = given.prepare(picture)
    inputs, padded = torch.from_numpy(image), (given.size.height, given.size.width)
    sample = DetDataSample(
        metainfo={
            "img_shape": shape,
            "ori_shape": shape,
            "pad_shape": padded,
            "batch_input_shape": padded,
            "scale_factor": (1.0, 1.0),
        }
    )
    with torch.no_grad():
        found = model.predict(inputs, [sample], rescale=False)[0].pred_instances
        head, features, rois = model.roi_head, model.extract_feat(inputs), bbox2roi([found.bboxes])
        # The result's masks are already pasted into the picture and cut at 0.5.
        stages = [head._mask_forward(stage, features, rois)["mask_preds"].sigmoid() for stage in range(head.num_stages)]
    masks = torch.stack(stages).mean(0)
    labels = torch.zeros_like(found.labels) if head.mask_head[-1].class_agnostic else found.labels
    masks = masks[torch.arange(len(masks)), labels]
    return Found(*(one.numpy() for one in (found.bboxes, found.scores, found.labels, masks)))


def predict_with_onnx(session: Any, given: OnnxInput, picture: np.ndarray) -> Found:
    """Returns the detections of a BGR picture from an onnxruntime session."""
    image, shape = given.prepare(picture)
    return Found(*session.run(None, {"image": image, "size": np.float32(shape)}))


def lowest_score(model: Any, expected: Found) -> float:
    """Returns the score below which MMDetection reports nothing in a picture."""
    settings = model.test_cfg.rcnn
    is_full = len(expected.scores) >= settings.max_per_img
    return float(expected.scores.min()) if is_full else float(settings.score_thr)


def _closest(expected: Found, index: int, actual: Found, left: set[int]) -> int | None:
    """Returns the detection of the same class with nearly the same box."""
    same = [one for one in left if actual.labels[one] == expected.labels[index]]
    if not same:
        return None
    distances = np.abs(actual.boxes[same] - expected.boxes[index]).max(1)
    return same[int(distances.argmin())] if distances.min() < SAME_BOX_PIXELS else None
