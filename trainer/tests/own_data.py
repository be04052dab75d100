"""Creates small data sets for the tests of `prepare-dataset`: images, archives and specs."""

import copy
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from zips import zip_of

from contract import check
from everswin_trainer.data.dataset_spec import DatasetSpec
from everswin_trainer.data.prepare_dataset import prepare

CATEGORIES = [{"id": 3, "name": "bolt"}, {"id": 8, "name": "nut"}]


def draw(number: int, width: int = 40, height: int = 32, kind: str = ".jpg") -> bytes:
    """Returns an image that is unique to `number`."""
    canvas = np.random.default_rng(number).integers(0, 255, (height, width, 3), np.uint8)
    done, content = cv2.imencode(kind, canvas)
    assert done
    return content.tobytes()


def annotate(image: int, number: int, category: int = 3) -> dict[str, Any]:
    outline = [5, 5, 25, 5, 25, 20, 5, 20]
    return {
        "id": number,
        "image_id": image,
        "category_id": category,
        "bbox": [5, 5, 20, 15],
        "area": 300,
        "iscrowd": 0,
        "segmentation": [outline],
    }


def make_split(first: int) -> dict[str, Any]:
    """Returns annotations of two images, one with an object of each class."""
    images = [{"id": first + n, "file_name": f"{first + n}.jpg", "width": 40, "height": 32} for n in range(2)]
    annotations = [annotate(first + n, 10 * first + n, CATEGORIES[n]["id"]) for n in range(2)]
    return {"images": images, "annotations": annotations, "categories": copy.deepcopy(CATEGORIES)}


@dataclass
class OwnData:
    """One archive with train/ and val/, and two annotation files. Modify a field, then call `prepare`."""

    root: Path
    train: dict[str, Any] = field(default_factory=lambda: make_split(1))
    val: dict[str, Any] = field(default_factory=lambda: make_split(5))
    images: dict[str, bytes] = field(
        default_factory=lambda: {
            f"{split}/{n}.jpg": draw(n) for split, first in (("train", 1), ("val", 5)) for n in range(first, first + 2)
        }
    )
    # Replaces the archive of `images`.
    archive: bytes | None = None
    changes: dict[str, Any] = field(default_factory=dict)

    @property
    def into(self) -> Path:
        return self.root / "ready"

    def prepare(self) -> dict[str, Any]:
        return prepare(DatasetSpec.load(self.write()), self.into)

    def write(self) -> Path:
        """Writes archives and spec; returns the path of the spec."""
        files = {"images.zip": self.archive or zip_of(self.images)}
        files |= {"train.json": json.dumps(self.train).encode(), "val.json": json.dumps(self.val).encode()}
        for name, content in files.items():
            (self.root / name).write_bytes(content)
        spec = {
            "v": 1,
            "contentKey": "a" * 64,
            "archives": {
                name: {"path": str(self.root / name), "sha256": "b" * 64, "bytes": len(content), "files": None}
                for name, content in files.items()
            },
            "splits": {
                name: {"images": f"images.zip/{name}", "annotations": f"{name}.json", "counts": None}
                for name in ("train", "val")
            },
            "classes": None,
            "extract": False,
            **self.changes,
        }
        check("dataset-spec", spec)
        (self.root / "spec.json").write_text(json.dumps(spec))
        return self.root / "spec.json"


def coco_spec(archives: Path, classes: int, extract: bool = False) -> dict[str, Any]:
    """Returns the spec of the three archives of COCO 2017 in a folder, with invented hashes."""
    names = ("train2017.zip", "val2017.zip", "annotations_trainval2017.zip")
    return {
        "v": 1,
        "contentKey": "c" * 64,
        "archives": describe_archives(archives, names),
        "splits": {
            name: {
                "images": f"{name}2017.zip/{name}2017",
                "annotations": f"annotations_trainval2017.zip/annotations/instances_{name}2017.json",
                "counts": None,
            }
            for name in ("train", "val")
        },
        "classes": classes,
        "extract": extract,
    }


def describe_archives(folder: Path, names: Iterable[str]) -> dict[str, Any]:
    """Returns `archives` of a spec for files of a folder, with invented hashes."""
    return {
        name: {
            "path": str(folder / name),
            "sha256": "d" * 64,
            "bytes": (folder / name).stat().st_size,
            "files": None,
        }
        for name in names
    }


def prepare_mini(archives: Path, into: Path, extract: bool = False) -> dict[str, Any]:
    """Prepares the archives that `mini-coco` wrote into a folder for training."""
    spec = coco_spec(archives, classes=3, extract=extract)
    check("dataset-spec", spec)
    path = into.with_name(f"{into.name}.spec.json")
    path.write_text(json.dumps(spec))
    return prepare(DatasetSpec.load(path), into)
