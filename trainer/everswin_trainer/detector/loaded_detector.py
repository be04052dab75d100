"""Loads a detector's folder with MMDetection and predicts images."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config

from everswin_trainer.model import mmcv_ops


@dataclass(frozen=True)
class Detection:
    """A detection in COCO's form: `box` is x, y, width, height; `mask` is run-length encoded, or None."""

    label: int
    score: float
    box: list[float]
    mask: dict[str, Any] | None


class LoadedDetector:
    """A model with its classes and test pipeline. `category_ids` are the ids of the classes in the annotations."""

    def __init__(self, config: Path, weights: Path, device: str) -> None:
        mmcv_ops.install()
        from mmcv.transforms import Compose
        from mmdet.apis import init_detector
        from mmdet.utils import get_test_pipeline_cfg

        settings = Config.fromfile(str(config))
        self.model = init_detector(settings, str(weights), device=device)
        self.classes = list(self.model.dataset_meta["classes"])
        ids = settings.get("category_ids")
        self.category_ids = list(ids) if ids is not None else list(range(1, len(self.classes) + 1))
        self.pipeline = get_test_pipeline_cfg(settings)
        steps = get_test_pipeline_cfg(settings.copy())
        steps[0].type = "mmdet.LoadImageFromNDArray"
        self._pipeline = Compose(steps)

    def detect(self, image: np.ndarray) -> list[Detection]:
        """Returns the detections of a BGR image, highest score first."""
        from mmdet.structures.mask import encode_mask_results

        data = self._pipeline({"img": image, "img_id": 0})
        with torch.no_grad():
            result = self.model.test_step({"inputs": [data["inputs"]], "data_samples": [data["data_samples"]]})
        found = result[0].pred_instances.cpu()
        masks = encode_mask_results(found.masks) if "masks" in found else [None] * len(found)
        corners = found.bboxes.tolist()
        detections = [
            Detection(label, score, [x1, y1, x2 - x1, y2 - y1], _as_text(mask))
            for label, score, (x1, y1, x2, y2), mask in zip(
                found.labels.tolist(), found.scores.tolist(), corners, masks, strict=True
            )
        ]
        return sorted(detections, key=lambda one: -one.score)


def _as_text(mask: dict[str, Any] | None) -> dict[str, Any] | None:
    return mask and {"size": list(mask["size"]), "counts": mask["counts"].decode()}
