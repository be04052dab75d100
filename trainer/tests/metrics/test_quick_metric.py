"""Runs MMDetection's metric interface on an annotation file of another program."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as mask_codec

IMAGES = (2**53, 2**53 + 1)
OUTLINE = [[10, 10, 50, 10, 50, 50, 10, 50]]


def write(path: Path, optional: dict[str, Any]) -> None:
    annotation = {"category_id": 0, "bbox": [10, 10, 40, 40], "area": 1600, "iscrowd": 0, "segmentation": OUTLINE}
    content = {
        **optional,
        "images": [
            {"id": key, "width": 100, "height": 100, "file_name": f"{key}.jpg", "date_captured": 0, "license": None}
            for key in IMAGES
        ],
        "categories": [{"id": 9, "name": "other"}, {"id": 0, "name": "square"}],
        "annotations": [
            {**annotation, "id": number, "image_id": key, "attributes": {}} for number, key in enumerate(IMAGES)
        ],
    }
    path.write_text(json.dumps(content))


def prediction(image: int) -> dict[str, Any]:
    [mask] = mask_codec.frPyObjects(OUTLINE, 100, 100)
    return {
        "img_id": image,
        "bboxes": np.array([[10, 10, 50, 50]], np.float32),
        "scores": np.array([0.9], np.float32),
        "labels": np.array([1]),
        "masks": [mask],
    }


@pytest.mark.parametrize("optional", [{}, {"info": {"year": ""}, "licenses": None}, {"info": None}, {"info": []}])
def test_metric_scores_exports_with_odd_optional_fields_and_ids(optional: dict[str, Any], tmp_path: Path) -> None:
    from everswin_trainer.metrics.quick_metric import QuickCocoMetric

    metric = QuickCocoMetric(ann_file=str(tmp_path / "val.json"), metric=["bbox", "segm"])
    # Read when the scores are due, not when training starts.
    write(tmp_path / "val.json", optional)
    metric.dataset_meta = {"classes": ("other", "square")}
    results = [({}, prediction(image)) for image in IMAGES]
    scores = metric.compute_metrics(results)
    assert metric.compute_metrics(results[::-1]) == scores, "batches may hold the images in any order"
    for name in ("bbox_mAP", "bbox_mAP_m", "segm_mAP", "segm_mAP_m"):
        assert scores[name] == pytest.approx(1), name
    assert scores["segm_mAP_s"] == -1
