"""Reduces annotations to what scoring needs, with ids that every evaluator accepts."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class ScoringTruth:
    """Ground truth for pycocotools and hotcoco. Nothing else of an annotation file reaches them.

    hotcoco rejects a file with an unexpected value in a field that scoring does not need, such as `"year": ""`, and
    reads image ids as float64. pycocotools counts a match with annotation 0 as no match.

    `dataset` is in COCO's format, with ids from 1. Images and categories are in the order of their original ids, in
    which pycocotools ranks equal scores and sums over classes. `image_ids` and `category_ids` map original ids to those
    of `dataset`.
    """

    dataset: dict[str, list[dict[str, Any]]]
    image_ids: dict[int, int]
    category_ids: dict[int, int]

    @classmethod
    def load(cls, annotations: Path) -> "ScoringTruth":
        return cls.reduce(json.loads(annotations.read_bytes()))

    @classmethod
    def reduce(cls, content: dict[str, Any]) -> "ScoringTruth":
        """Returns the ground truth of the parsed content of an annotation file."""
        images = sorted(content["images"], key=lambda one: one["id"])
        image_ids = {one["id"]: number for number, one in enumerate(images, 1)}
        category_ids = {one: number for number, one in enumerate(sorted(one["id"] for one in content["categories"]), 1)}
        dataset = {
            "images": [{"id": image_ids[one["id"]], "width": one["width"], "height": one["height"]} for one in images],
            # The evaluators need distinct names only.
            "categories": [{"id": number, "name": str(number)} for number in category_ids.values()],
            "annotations": [
                {
                    "id": number,
                    "image_id": image_ids[one["image_id"]],
                    "category_id": category_ids[one["category_id"]],
                    "bbox": one["bbox"],
                    "area": one["area"],
                    "iscrowd": int(bool(one.get("iscrowd", 0))),
                    "segmentation": _outline(one["segmentation"]),
                }
                for number, one in enumerate(content["annotations"], 1)
            ],
        }
        return cls(dataset, image_ids, category_ids)

    def renumber(self, results: list[dict[str, Any]], shape: str) -> list[dict[str, Any]]:
        """Returns results with the ids of `dataset` and one shape each, `bbox` or `segmentation`."""
        return [
            {
                "image_id": self.image_ids[one["image_id"]],
                "category_id": self.category_ids[one["category_id"]],
                "score": one["score"],
                shape: one[shape],
            }
            for one in results
        ]


def _outline(segmentation: Any) -> Any:
    """Returns polygons as they are, and run lengths without additional fields."""
    if isinstance(segmentation, dict):
        return {"size": segmentation["size"], "counts": segmentation["counts"]}
    return segmentation
