"""Generates detections of a mediocre model: shifted, scaled, misclassified, duplicated and false ones."""

from typing import Any

import numpy as np
from pycocotools import mask as mask_codec

EMPTY: dict[str, list[dict[str, Any]]] = {"bbox": [], "segm": []}


def detect(content: dict[str, Any], seed: int, per_image: int = 12) -> dict[str, list[dict[str, Any]]]:
    """Returns detections in COCO's results format; both lists contain boxes, as MMDetection writes them.

    Scores have two digits, so that many are equal.
    """
    draw = np.random.default_rng(seed)
    classes = [one["id"] for one in content["categories"]]
    found: dict[str, list[dict[str, Any]]] = {"bbox": [], "segm": []}
    for image in content["images"]:
        width, height = image["width"], image["height"]
        here = [one for one in content["annotations"] if one["image_id"] == image["id"]]
        for _ in range(per_image):
            if here and draw.random() < 0.8:
                like = here[draw.integers(len(here))]
                x, y, w, h = like["bbox"]
                noise = draw.normal(0, draw.choice([0.01, 0.06, 0.25]), 4) * (w, h, w, h)
                box, label = np.array([x, y, w, h]) + noise, like["category_id"]
                label = label if draw.random() < 0.85 else int(draw.choice(classes))
                score = draw.beta(3, 2)
            else:
                box = draw.uniform(0, [0.7 * width, 0.7 * height, 40, 40])
                label, score = int(draw.choice(classes)), draw.beta(1, 4)
            add_detection(found, image, label, box, round(float(score), 2))
    return found


def add_detection(
    found: dict[str, list[dict[str, Any]]], image: dict[str, Any], label: int, box: Any, score: float
) -> None:
    """Adds a detection of a box, and of an ellipse-like mask inside it."""
    x, y, w, h = (float(np.float32(one)) for one in box)
    w, h = max(w, 2.0), max(h, 2.0)
    inset = [x + w / 8, y, x + w * 7 / 8, y, x + w, y + h / 2, x + w * 7 / 8, y + h, x + w / 8, y + h, x, y + h / 2]
    limits = np.array([image["width"], image["height"]] * 6)
    [mask] = mask_codec.frPyObjects([np.clip(inset, 0, limits).tolist()], image["height"], image["width"])
    one = {"image_id": image["id"], "category_id": label, "score": score, "bbox": [x, y, w, h]}
    found["bbox"].append(one)
    found["segm"].append({**one, "segmentation": {"size": mask["size"], "counts": mask["counts"].decode()}})
