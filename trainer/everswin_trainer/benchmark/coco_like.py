"""Generates a synthetic data set for benchmarks with the image sizes, object counts and object sizes of COCO.

In train2017, images with annotations have 7.3 objects on average. 41 % of the objects are smaller than 32^2 pixels,
34 % smaller than 96^2, the rest larger. The mean file size is 163 kB.
"""

import json
import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from everswin_trainer.data.dataset import MANIFEST, PreparedData
from everswin_trainer.system.atomic_file import write_json

# (width, height) and share: landscape, portrait and less common sizes; the remaining images are SQUARE.
SIZES = (((640, 480), 0.5), ((640, 427), 0.22), ((480, 640), 0.13), ((427, 640), 0.08), ((500, 375), 0.05))
SQUARE = (640, 640)
MEAN_OBJECTS, MOST_OBJECTS = 7.3, 60
# Side in pixels of a square with the object's area (minimum, maximum), and share of the objects.
SIDES = (((8, 32), 0.41), ((32, 96), 0.34), ((96, 300), 0.25))
CORNERS = 20
CLASSES = 80


def draw_dataset(root: Path, images: int, files: int, seed: int) -> PreparedData:
    """Writes a data set of `images` entries that share `files` files, in the layout of extracted prepared data."""
    draws = np.random.default_rng(seed)
    for split in ("train", "val"):
        (root / "images" / split).mkdir(parents=True)
    sizes = [_draw_size(draws) for _ in range(files)]
    for number, size in enumerate(sizes):
        _write_photograph(root / "images/train" / _name(number), draws, *size)
    (root / "images/val" / _name(0)).write_bytes((root / "images/train" / _name(0)).read_bytes())
    _write_annotations(
        root / "train.json", draws, [(number % files, sizes[number % files]) for number in range(images)]
    )
    _write_annotations(root / "val.json", draws, [(0, sizes[0])])
    splits = {
        split: {"archive": None, "folder": "", "index": "", "annotations": f"{split}.json"}
        for split in ("train", "val")
    }
    write_json(root / MANIFEST, {"v": 1, "classes": _class_names(), "splits": splits})
    return PreparedData.at(root)


def _draw_size(draws: np.random.Generator) -> tuple[int, int]:
    place = draws.random()
    for size, share in SIZES:
        place -= share
        if place < 0:
            return size
    return SQUARE


def _write_photograph(path: Path, draws: np.random.Generator, width: int, height: int) -> None:
    """Writes soft shapes with noise, which compress to about the size of a COCO photograph."""
    coarse = draws.integers(0, 255, (height // 20, width // 20, 3), np.uint8)
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.float32)
    grain = draws.normal(0, 14, (height, width, 1)).astype(np.float32)
    done, jpeg = cv2.imencode(".jpg", np.clip(smooth + grain, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 90])
    assert done
    path.write_bytes(jpeg.tobytes())


def _write_annotations(path: Path, draws: np.random.Generator, images: list[tuple[int, tuple[int, int]]]) -> None:
    annotations: list[dict[str, Any]] = []
    for number, (_, size) in enumerate(images):
        # Geometric distribution with this mean and a minimum of 1.
        for _ in range(min(MOST_OBJECTS, int(draws.geometric(1 / MEAN_OBJECTS)))):
            one = _draw_object(draws, *size)
            annotations.append({**one, "id": len(annotations) + 1, "image_id": number + 1, "iscrowd": 0})
    records = [
        {"id": number + 1, "file_name": _name(file), "width": size[0], "height": size[1]}
        for number, (file, size) in enumerate(images)
    ]
    categories = [{"id": number + 1, "name": name} for number, name in enumerate(_class_names())]
    path.write_text(json.dumps({"images": records, "annotations": annotations, "categories": categories}))


def _draw_object(draws: np.random.Generator, width: int, height: int) -> dict[str, Any]:
    kind = draws.choice(len(SIDES), p=[share for _, share in SIDES])
    # Scales the side of the square to an ellipse of the same area.
    side = math.exp(draws.uniform(*np.log(SIDES[kind][0]))) / math.sqrt(np.pi / 4)
    stretch = math.exp(draws.uniform(-0.6, 0.6))
    w, h = min(width - 2, side * stretch), min(height - 2, side / stretch)
    x, y = draws.uniform(0, width - w), draws.uniform(0, height - h)
    turns = np.linspace(0, 2 * np.pi, CORNERS, endpoint=False)
    xs, ys = x + w / 2 * (1 + np.cos(turns)), y + h / 2 * (1 + np.sin(turns))
    return {
        "category_id": int(draws.integers(CLASSES)) + 1,
        "bbox": [round(float(value), 2) for value in (x, y, w, h)],
        "area": float(w * h * np.pi / 4),
        "segmentation": [np.stack([xs, ys], axis=1).round(2).reshape(-1).tolist()],
    }


def _name(number: int) -> str:
    return f"{number:012d}.jpg"


def _class_names() -> list[str]:
    return [f"class {number + 1}" for number in range(CLASSES)]
