"""Generates the data of the demo: drawn shapes in archives with COCO's layout, and a small Swin checkpoint.

`python -m everswin_trainer mini-coco --out DIR` writes train2017.zip, val2017.zip, annotations_trainval2017.zip and
swin_mini_patch4_window7_224.pth. The bytes are the same on every machine with the locked wheels: all shapes are drawn
with integers from raw words of PCG64, a stream that NumPy keeps stable, and OpenCV includes its JPEG codec.

`--own DIR` instead writes an example of user data: image files in folders, with other names, ids and classes.
"""

import argparse
import hashlib
import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from everswin_trainer.demo.mini_weights import mini_swin_checkpoint
from everswin_trainer.system.atomic_file import write_atomic

SEED = 2017
TRAIN_IMAGES, VAL_IMAGES = 96, 24
# Every image with this period has no object; COCO has such images too.
EMPTY_EVERY = 24
SIZES = ((128, 96), (96, 128))
OBJECT_PIXELS = (28, 57)
MAX_OBJECTS = 4
# The ids have gaps as in COCO, so that code that mistakes them for indices fails.
CATEGORIES = {1: "circle", 3: "rectangle", 7: "triangle"}
# Ids and names of these classes in the example of user data.
OWN_CATEGORIES = {1: (0, "disc"), 3: (1, "tile"), 7: (2, "wedge")}
OWN_SEED = 2018
# 1024 times the cosine of 0, 22.5, ..., 90 degrees: a circle is a polygon with 16 corners.
QUARTER = (1024, 946, 724, 392, 0)


@dataclass
class Draws:
    """Generates random integers that are equal on all platforms."""

    source: np.random.PCG64

    def below(self, limit: int) -> int:
        return int(self.source.random_raw()) % limit

    def between(self, low: int, high: int) -> int:
        """Returns an integer from `low` to `high - 1`."""
        return low + self.below(high - low)

    def grid(self, height: int, width: int, limit: int) -> np.ndarray:
        """Returns (height, width, 3) int64 in 0..limit-1."""
        words = self.source.random_raw(height * width * 3)
        return (words % np.uint64(limit)).astype(np.int64).reshape(height, width, 3)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="everswin_trainer mini-coco", description=__doc__.splitlines()[0])
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("--out", type=Path, help="folder for the four files")
    target.add_argument("--own", type=Path, help="folder for images and annotations in the layout of user data")
    arguments = parser.parse_args(argv)
    out = arguments.own or arguments.out
    # Generates all files before writing the first one.
    files = make_own() if arguments.own else make_files()
    for name, content in files.items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        with write_atomic(out / name) as stream:
            stream.write(content)
        print(json.dumps({"name": name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}))
    return 0


def make_files() -> dict[str, bytes]:
    """Returns the content of each file by name."""
    draws = Draws(np.random.PCG64(SEED))
    files: dict[str, bytes] = {}
    instances: dict[str, bytes] = {}
    first = 0
    for split, count in (("train2017", TRAIN_IMAGES), ("val2017", VAL_IMAGES)):
        images, annotations = _draw_split(draws, first, count)
        first += count
        files[f"{split}.zip"] = _zip({f"{split}/{name}": jpeg for name, (jpeg, _) in images.items()})
        records = [record for _, record in images.values()]
        instances[f"annotations/instances_{split}.json"] = _coco_json(split, records, annotations)
    files["annotations_trainval2017.zip"] = _zip(instances)
    files["swin_mini_patch4_window7_224.pth"] = mini_swin_checkpoint()
    return files


def make_own() -> dict[str, bytes]:
    """Returns the content of each file by its path: train/, val/ and annotations/{train,val}.json."""
    draws = Draws(np.random.PCG64(OWN_SEED))
    files: dict[str, bytes] = {}
    categories = [{"id": key, "name": name} for key, name in OWN_CATEGORIES.values()]
    for split, count in (("train", TRAIN_IMAGES), ("val", VAL_IMAGES)):
        drawn, annotations = _draw_split(draws, 0, count)
        images = []
        for number, (jpeg, record) in enumerate(drawn.values()):
            name = f"line {1 + number % 2}/part-{number:03d}.jpeg"
            files[f"{split}/{name}"] = jpeg
            images.append({key: record[key] for key in ("id", "width", "height")} | {"file_name": name})
        for one in annotations:
            one["category_id"] = OWN_CATEGORIES[one["category_id"]][0]
        document = {"images": images, "annotations": annotations, "categories": categories}
        files[f"annotations/{split}.json"] = json.dumps(document).encode()
    return files


def _draw_split(draws: Draws, first: int, count: int) -> tuple[dict[str, tuple[bytes, dict]], list[dict]]:
    """Returns images by file name (JPEG and COCO's record), and the annotations of all."""
    images: dict[str, tuple[bytes, dict]] = {}
    annotations: list[dict] = []
    for index in range(count):
        # The ids have gaps as in COCO.
        image_id = 1 + 3 * (first + index)
        width, height = SIZES[draws.below(len(SIZES))]
        canvas = _background(draws, width, height)
        objects: list[dict] = []
        if (index + 1) % EMPTY_EVERY:
            # The first image of each split contains its only crowd.
            objects = _draw_objects(draws, canvas, with_crowd=index == 0)
        for annotation in objects:
            annotations.append(
                annotation | {"image_id": image_id, "id": 1 + 2 * (first * MAX_OBJECTS + len(annotations))}
            )
        name = f"{image_id:012d}.jpg"
        done, jpeg = cv2.imencode(".jpg", canvas.astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 90])
        assert done
        record = {
            "license": 1,
            "file_name": name,
            "height": height,
            "width": width,
            "date_captured": "2017-09-01 00:00:00",
            "id": image_id,
        }
        images[name] = (jpeg.tobytes(), record)
    return images, annotations


def _background(draws: Draws, width: int, height: int) -> np.ndarray:
    """Returns (height, width, 3) int64: dark blocks of 16 pixels with fine noise."""
    blocks = draws.grid(height // 16, width // 16, 48)
    return 24 + blocks.repeat(16, axis=0).repeat(16, axis=1) + draws.grid(height, width, 24)


def _draw_objects(draws: Draws, canvas: np.ndarray, with_crowd: bool) -> list[dict]:
    """Draws shapes that do not touch each other. Returns their annotations without ids."""
    occupied: list[tuple[int, int, int, int]] = []
    annotations: list[dict] = []
    if with_crowd:
        box = (4, 4, 44, 28)
        occupied.append(box)
        annotations.append(_draw_crowd(draws, canvas, box))
    count = len(annotations) + draws.between(1, MAX_OBJECTS)
    # Limits the attempts: a full image gets fewer objects.
    for _ in range(40):
        if len(annotations) == count:
            break
        box = _free_box(draws, canvas, occupied)
        if box is not None:
            occupied.append(box)
            annotations.append(_draw_shape(draws, canvas, box))
    return annotations


def _free_box(
    draws: Draws, canvas: np.ndarray, occupied: list[tuple[int, int, int, int]]
) -> tuple[int, int, int, int] | None:
    """Returns a random box (x, y, width, height) inside the image; None within 3 pixels of an occupied box."""
    height, width = canvas.shape[:2]
    w, h = (draws.between(*OBJECT_PIXELS) for _ in range(2))
    x, y = draws.between(3, width - w - 3), draws.between(3, height - h - 3)
    for left, top, other_w, other_h in occupied:
        if x < left + other_w + 3 and left < x + w + 3 and y < top + other_h + 3 and top < y + h + 3:
            return None
    return x, y, w, h


def _draw_shape(draws: Draws, canvas: np.ndarray, box: tuple[int, int, int, int]) -> dict:
    category = list(CATEGORIES)[draws.below(len(CATEGORIES))]
    corners = _corners(CATEGORIES[category], box)
    inside = _fill(draws, canvas, corners)
    (left, top), (right, bottom) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
    return {
        "segmentation": [corners.reshape(-1).tolist()],
        "area": int(inside.sum()),
        "iscrowd": 0,
        "bbox": [left, top, right - left, bottom - top],
        "category_id": category,
    }


def _draw_crowd(draws: Draws, canvas: np.ndarray, box: tuple[int, int, int, int]) -> dict:
    """Draws many small circles with a common run-length mask. Returns their annotation with iscrowd 1."""
    x, y, width, height = box
    mask = np.zeros(canvas.shape[:2], bool)
    for left in range(x, x + width - 9, 11):
        for top in range(y, y + height - 9, 9):
            mask |= _fill(draws, canvas, _corners("circle", (left, top, 10, 10)))
    rows, columns = np.nonzero(mask)
    left, top = int(columns.min()), int(rows.min())
    return {
        "segmentation": {"counts": _run_lengths(mask), "size": list(mask.shape)},
        "area": int(mask.sum()),
        "iscrowd": 1,
        "bbox": [left, top, int(columns.max()) + 1 - left, int(rows.max()) + 1 - top],
        "category_id": 1,
    }


def _corners(shape: str, box: tuple[int, int, int, int]) -> np.ndarray:
    """Returns (corners, 2) int64 of a convex polygon in `box`, clockwise on the screen (y points down)."""
    x, y, width, height = box
    if shape == "rectangle":
        points = [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]
    elif shape == "triangle":
        points = [(x + width // 2, y), (x + width, y + height), (x, y + height)]
    else:
        cosines = [*QUARTER, *(-c for c in QUARTER[-2::-1])]
        cosines += cosines[-2:0:-1]
        # The diameter is the smaller side of the box.
        radius = min(width, height) // 2
        points = [
            (x + radius + (radius * cosines[i] + 512) // 1024, y + radius + (radius * cosines[i - 4] + 512) // 1024)
            for i in range(16)
        ]
    return np.array(points, np.int64)


def _fill(draws: Draws, canvas: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Paints a convex polygon in one bright color with slight noise. Returns its mask, (height, width) bool."""
    height, width = canvas.shape[:2]
    # Pixel centers in units of half a pixel, so that all values are integers.
    ys, xs = 2 * np.arange(height)[:, None] + 1, 2 * np.arange(width)[None, :] + 1
    inside = np.ones((height, width), bool)
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        inside &= (x1 - x0) * (ys - 2 * y0) - (y1 - y0) * (xs - 2 * x0) >= 0
    color = np.array([draws.between(120, 230) for _ in range(3)])
    canvas[inside] = (color + draws.grid(height, width, 24))[inside]
    return inside


def _run_lengths(mask: np.ndarray) -> list[int]:
    """Returns COCO's uncompressed run lengths: column by column, starting with zeros."""
    flat = mask.T.reshape(-1)
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    runs = np.diff([0, *changes.tolist(), flat.size]).tolist()
    return [0, *runs] if flat[0] else runs


def _coco_json(split: str, images: list[dict], annotations: list[dict]) -> bytes:
    document = {
        "info": {
            "description": f"everswin's miniature COCO, {split}",
            "url": "",
            "version": "1.0",
            "year": 2017,
            "contributor": "everswin",
            "date_created": "2017/09/01",
        },
        "licenses": [{"url": "", "id": 1, "name": "same as everswin"}],
        "images": images,
        "annotations": annotations,
        "categories": [{"supercategory": "shape", "id": key, "name": name} for key, name in CATEGORIES.items()],
    }
    return json.dumps(document, separators=(",", ":")).encode()


def _zip(members: dict[str, bytes]) -> bytes:
    """Returns a reproducible zip: stored entries in the given order with the earliest date that a zip can hold."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.create_system = 3
            info.external_attr = 0o644 << 16
            archive.writestr(info, content)
    return buffer.getvalue()


if __name__ == "__main__":
    raise SystemExit(main())
