import json
from pathlib import Path

import cv2
import pytest

from everswin_trainer.benchmark.coco_like import draw_dataset
from everswin_trainer.data.dataset import PreparedData

IMAGES, FILES = 400, 12


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> PreparedData:
    return draw_dataset(tmp_path_factory.mktemp("drawn"), IMAGES, FILES, seed=3)


def test_number_and_size_of_objects_match_coco(data: PreparedData) -> None:
    document = json.loads(data.annotations("train").read_text())
    areas = [one["area"] for one in document["annotations"]]
    assert {one["image_id"] for one in document["annotations"]} == {one["id"] for one in document["images"]}
    assert len(document["images"]) == IMAGES
    assert len(areas) / IMAGES == pytest.approx(7.3, rel=0.15)
    assert sum(area < 32**2 for area in areas) / len(areas) == pytest.approx(0.41, abs=0.05)
    assert sum(area >= 96**2 for area in areas) / len(areas) == pytest.approx(0.25, abs=0.05)


def test_boxes_lie_inside_images_and_files_have_the_recorded_size(data: PreparedData) -> None:
    document = json.loads(data.annotations("train").read_text())
    sizes = {one["id"]: (one["width"], one["height"]) for one in document["images"]}
    for one in document["annotations"]:
        (x, y, w, h), (width, height) = one["bbox"], sizes[one["image_id"]]
        assert x >= 0 and y >= 0 and x + w <= width + 0.01 and y + h <= height + 0.01 and w > 1 and h > 1
    files = {one["file_name"]: (one["width"], one["height"]) for one in document["images"]}
    assert len(files) == FILES
    for name, (width, height) in files.items():
        path = Path(f"{data.image_prefix('train')}{name}")
        assert cv2.imread(str(path)).shape == (height, width, 3)
    mean = sum(path.stat().st_size for path in (data.root / "images/train").iterdir()) / FILES
    assert mean == pytest.approx(163_000, rel=0.2)


def test_the_same_seed_draws_the_same_data_set(data: PreparedData, tmp_path: Path) -> None:
    again = draw_dataset(tmp_path / "again", IMAGES, FILES, seed=3)
    assert again.annotations("train").read_bytes() == data.annotations("train").read_bytes()
    assert len(again.classes()) == 80
