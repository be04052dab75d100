"""Generates images for the data benchmarks: real JPEG files of varied size, and archives of them."""

import hashlib
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

# COCO's images: 118,287 in 19.3 GB, most of 640 x 480.
SIZES = ((640, 480), (480, 640), (640, 427), (500, 375), (640, 640))
# Each is drawn once; the other files differ from them only by a JPEG comment.
DISTINCT = 300
MEAN_BYTES = 163_000
TRAIN_SHARE = 0.95


def draw_photos(seed: int, count: int) -> Iterator[tuple[bytes, int, int]]:
    """Yields distinct (JPEG, width, height), about as large as in COCO, from half to twice the mean size."""
    draw = np.random.default_rng(seed)
    drawn = [_draw(draw) for _ in range(min(DISTINCT, count))]
    for number in range(count):
        jpeg, width, height = drawn[number % len(drawn)]
        comment = f"{number}".encode()
        mark = b"\xff\xfe" + (2 + len(comment)).to_bytes(2, "big") + comment
        yield jpeg[:2] + mark + jpeg[2:], width, height


def _draw(draw: np.random.Generator) -> tuple[bytes, int, int]:
    """Draws blotches of all scales and grain, like a photo, and searches the quality that gives the requested size."""
    width, height = SIZES[draw.integers(len(SIZES))]
    canvas = np.zeros((height, width, 3), np.float32)
    for blocks in (3, 8, 20, 60, 200):
        coarse = draw.normal(0, 26, (blocks, blocks, 3)).astype(np.float32)
        canvas += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    image = np.clip(canvas + draw.normal(118, 9, canvas.shape), 0, 255).astype(np.uint8)
    wanted = MEAN_BYTES * np.exp(draw.normal(-0.06, 0.35))
    low, high = 30, 99
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if len(_encode(image, middle)) <= wanted else (low, middle - 1)
    return _encode(image, low), width, height


def _encode(image: np.ndarray, quality: int) -> bytes:
    done, jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert done
    return jpeg.tobytes()


def make_archives(folder: Path, seed: int, count: int) -> dict[str, Any]:
    """Writes images.zip (stored) and annotations.zip (deflated) and returns the spec of `prepare-dataset`."""
    splits = {"train": [], "val": []}
    with zipfile.ZipFile(folder / "images.zip", "w", zipfile.ZIP_STORED) as archive:
        for number, (jpeg, width, height) in enumerate(draw_photos(seed, count)):
            split = "train" if number < count * TRAIN_SHARE else "val"
            name = f"{number:012d}.jpg"
            archive.writestr(f"{split}2017/{name}", jpeg)
            splits[split].append({"id": number, "file_name": name, "width": width, "height": height})
    with zipfile.ZipFile(folder / "annotations.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for split, images in splits.items():
            archive.writestr(f"annotations/instances_{split}2017.json", json.dumps(_annotate(images)))
    archives = {name: _describe(folder / name) for name in ("images.zip", "annotations.zip")}
    return {
        "v": 1,
        "contentKey": hashlib.sha256(json.dumps(archives).encode()).hexdigest(),
        "archives": archives,
        "splits": {
            split: {
                "images": f"images.zip/{split}2017",
                "annotations": f"annotations.zip/annotations/instances_{split}2017.json",
                "counts": {"images": len(images), "instances": len(images)},
            }
            for split, images in splits.items()
        },
        "classes": 1,
        "extract": False,
    }


def _annotate(images: list[dict[str, Any]]) -> dict[str, Any]:
    """Returns annotations with one object per image."""
    outline = [100, 100, 200, 100, 200, 180, 100, 180]
    annotations = [
        {
            "id": image["id"],
            "image_id": image["id"],
            "category_id": 1,
            "bbox": [100, 100, 100, 80],
            "area": 8000,
            "iscrowd": 0,
            "segmentation": [outline],
        }
        for image in images
    ]
    return {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "thing"}]}


def _describe(path: Path) -> dict[str, Any]:
    """Returns the record that the downloader would write, with a dummy hash that is not checked."""
    return {"path": str(path), "sha256": "0" * 64, "bytes": path.stat().st_size, "files": None}
