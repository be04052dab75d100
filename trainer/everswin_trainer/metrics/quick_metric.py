"""A faster CocoMetric for the validation of each epoch, with unrounded scores."""

from typing import Any

import numpy as np
from mmdet.evaluation import CocoMetric
from mmdet.registry import METRICS

from everswin_trainer.metrics.coco_scores import IOU_TYPES, MMDET_NAMES, NO_GROUND_TRUTH
from everswin_trainer.metrics.quick_scores import evaluate_quickly
from everswin_trainer.metrics.scoring_truth import ScoringTruth

NOT_LOADED = object()


@METRICS.register_module()
class QuickCocoMetric(CocoMetric):
    """Computes the scores of CocoMetric with hotcoco and without files. Returns no scores if nothing was detected.

    Reads the annotations when the scores are due, on the rank that computes them, and keeps them no longer.
    """

    def __init__(self, ann_file: str, **settings: Any) -> None:
        super().__init__(**settings)
        self._load = lambda: CocoMetric(ann_file, **settings)._coco_api
        # Anything but None: CocoMetric would collect the annotations of each image.
        self._coco_api = NOT_LOADED

    def compute_metrics(self, results: list[tuple[dict[str, Any], dict[str, Any]]]) -> dict[str, float]:
        predictions = [prediction for _, prediction in results if len(prediction["labels"])]
        if not predictions:
            return {}
        annotations = self._load()
        truth = ScoringTruth.reduce(annotations.dataset)
        # The scores do not depend on the order in which batches held the images.
        predictions.sort(key=lambda prediction: truth.image_ids[prediction["img_id"]])
        labels = annotations.get_cat_ids(cat_names=self.dataset_meta["classes"])
        categories = np.array([truth.category_ids[one] for one in labels])
        rows = np.concatenate(
            [_rows(prediction, truth.image_ids[prediction["img_id"]], categories) for prediction in predictions]
        )
        masks = [mask for prediction in predictions for mask in prediction["masks"]]
        scores = evaluate_quickly(truth, rows, masks)
        return {
            f"{iou_type}_{mmdet}": NO_GROUND_TRUTH if scores[iou_type][name] is None else scores[iou_type][name]
            for iou_type in IOU_TYPES
            for name, mmdet in MMDET_NAMES.items()
        }


def _rows(prediction: dict[str, Any], image_id: int, categories: np.ndarray) -> np.ndarray:
    """Returns the detections of one image as rows (n, 7) for evaluate_quickly."""
    count, boxes = len(prediction["labels"]), prediction["bboxes"]
    # CocoMetric also subtracts corners of single precision in double precision.
    boxes = boxes.astype(np.float64)
    image = np.full((count, 1), image_id, np.float64)
    sides = boxes[:, 2:] - boxes[:, :2]
    scores, categories = prediction["scores"].astype(np.float64)[:, None], categories[prediction["labels"]][:, None]
    return np.concatenate([image, boxes[:, :2], sides, scores, categories], axis=1)
