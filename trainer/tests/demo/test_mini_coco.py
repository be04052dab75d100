"""Tests the data set of the demo: COCO's layout, shapes that match their annotations, and reproducible bytes."""

import hashlib
import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from pycocotools.coco import COCO

from everswin_trainer.demo import mini_coco

TRAINER = Path(__file__).parents[2]
FILES = ["train2017.zip", "val2017.zip", "annotations_trainval2017.zip", "swin_mini_patch4_window7_224.pth"]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    out = tmp_path_factory.mktemp("mini") / "nested" / "out"
    assert mini_coco.main(["--out", str(out)]) == 0
    return {path.name: path.read_bytes() for path in out.iterdir()}


@pytest.fixture(scope="module", params=["train2017", "val2017"])
def coco(request: pytest.FixtureRequest, files: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> COCO:
    path = tmp_path_factory.mktemp("annotations") / f"{request.param}.json"
    path.write_bytes(member(files["annotations_trainval2017.zip"], f"annotations/instances_{request.param}.json"))
    loaded = COCO(str(path))
    loaded.images = zipfile.ZipFile(io.BytesIO(files[f"{request.param}.zip"]))
    loaded.split = request.param
    return loaded


def member(archive: bytes, name: str) -> bytes:
    return zipfile.ZipFile(io.BytesIO(archive)).read(name)


def test_mini_coco_writes_the_same_bytes_in_every_process_and_prints_their_hashes(
    files: dict[str, bytes], tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "everswin_trainer.demo.mini_coco", "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=TRAINER, capture_output=True, text=True, check=True)
    printed = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["name"] for line in printed] == FILES
    for line in printed:
        content = (tmp_path / line["name"]).read_bytes()
        assert content == files[line["name"]]
        assert line["bytes"] == len(content)
        assert line["sha256"] == hashlib.sha256(content).hexdigest()


def test_mini_coco_writes_only_the_four_files(files: dict[str, bytes]) -> None:
    assert sorted(files) == sorted(FILES)


def test_archives_have_the_folder_layout_of_coco(coco: COCO) -> None:
    records = coco.dataset["images"]
    assert len(records) == {"train2017": 96, "val2017": 24}[coco.split]
    assert coco.images.namelist() == [f"{coco.split}/{record['id']:012d}.jpg" for record in records]
    assert {info.compress_type for info in coco.images.infolist()} == {zipfile.ZIP_STORED}
    for record in records:
        image = cv2.imdecode(np.frombuffer(coco.images.read(f"{coco.split}/{record['file_name']}"), np.uint8), 1)
        assert image.shape == (record["height"], record["width"], 3)


def test_annotations_have_the_five_sections_of_coco_and_ids_with_gaps(coco: COCO) -> None:
    assert list(coco.dataset) == ["info", "licenses", "images", "annotations", "categories"]
    assert {category["id"]: category["name"] for category in coco.dataset["categories"]} == mini_coco.CATEGORIES
    assert coco.getCatIds() != list(range(1, 1 + len(mini_coco.CATEGORIES)))
    assert {annotation["category_id"] for annotation in coco.dataset["annotations"]} == set(mini_coco.CATEGORIES)


def test_ids_are_unique_across_both_splits(files: dict[str, bytes]) -> None:
    documents = [
        json.loads(member(files["annotations_trainval2017.zip"], f"annotations/instances_{split}.json"))
        for split in ("train2017", "val2017")
    ]
    for part in ("images", "annotations"):
        ids = [record["id"] for document in documents for record in document[part]]
        assert len(set(ids)) == len(ids)


def test_each_split_has_a_crowd_and_images_without_objects(coco: COCO) -> None:
    crowds = [annotation for annotation in coco.dataset["annotations"] if annotation["iscrowd"]]
    assert len(crowds) == 1
    size, counts = crowds[0]["segmentation"]["size"], crowds[0]["segmentation"]["counts"]
    assert sum(counts) == size[0] * size[1]
    assert coco.annToMask(crowds[0]).sum() == crowds[0]["area"]
    empty = [image_id for image_id in coco.getImgIds() if not coco.getAnnIds(image_id)]
    assert len(empty) == {"train2017": 4, "val2017": 1}[coco.split]


def test_every_polygon_and_box_lies_inside_its_image_and_covers_its_area(coco: COCO) -> None:
    for annotation in coco.dataset["annotations"]:
        image = coco.imgs[annotation["image_id"]]
        left, top, width, height = annotation["bbox"]
        assert 0 <= left < left + width <= image["width"]
        assert 0 <= top < top + height <= image["height"]
        rows, columns = np.nonzero(coco.annToMask(annotation))
        # pycocotools rounds borders differently, and the tip of a triangle is thinner than a pixel.
        assert len(rows) == pytest.approx(annotation["area"], rel=0.06)
        assert [columns.min(), rows.min()] == pytest.approx([left, top], abs=2)
        assert [columns.max() + 1, rows.max() + 1] == pytest.approx([left + width, top + height], abs=2)
        if not annotation["iscrowd"]:
            (polygon,) = annotation["segmentation"]
            corners = np.array(polygon).reshape(-1, 2)
            assert [*corners.min(axis=0), *corners.max(axis=0)] == [left, top, left + width, top + height]


def test_shapes_are_brighter_than_their_background(coco: COCO) -> None:
    for annotation in coco.dataset["annotations"][:20]:
        name = coco.imgs[annotation["image_id"]]["file_name"]
        image = cv2.imdecode(np.frombuffer(coco.images.read(f"{coco.split}/{name}"), np.uint8), cv2.IMREAD_COLOR)
        inside = coco.annToMask(annotation).astype(bool)
        anything = coco.annToMask({"image_id": annotation["image_id"], "segmentation": full(image)}).astype(bool)
        for other in coco.loadAnns(coco.getAnnIds(annotation["image_id"])):
            anything &= ~coco.annToMask(other).astype(bool)
        assert image[inside].mean() > image[anything].mean() + 40


def full(image: np.ndarray) -> list[list[int]]:
    height, width = image.shape[:2]
    return [[0, 0, width, 0, width, height, 0, height]]


def test_mini_weights_have_the_keys_of_the_swin_authors_checkpoints(files: dict[str, bytes]) -> None:
    content = io.BytesIO(files["swin_mini_patch4_window7_224.pth"])
    model = torch.load(content, weights_only=True)["model"]
    width = model["patch_embed.proj.weight"].shape[0]
    expected = {
        "patch_embed.norm.weight": (width,),
        "layers.0.blocks.0.norm1.weight": (width,),
        "layers.0.blocks.0.attn.relative_position_bias_table": (13 * 13, 1),
        "layers.0.blocks.0.attn.relative_position_index": (49, 49),
        "layers.0.blocks.1.attn_mask": (64, 49, 49),
        "layers.1.blocks.1.attn.qkv.weight": (6 * width, 2 * width),
        "layers.2.blocks.0.mlp.fc1.weight": (16 * width, 4 * width),
        "layers.2.downsample.reduction.weight": (8 * width, 16 * width),
        "layers.3.blocks.1.mlp.fc2.bias": (8 * width,),
        "norm.weight": (8 * width,),
        "head.weight": (1000, 8 * width),
    }
    assert {name: tuple(model[name].shape) for name in expected} == expected
    assert "layers.3.blocks.1.attn_mask" not in model
    assert "layers.3.downsample.norm.weight" not in model


def test_mini_weights_hold_every_parameter_and_buffer_of_the_backbone(files: dict[str, bytes]) -> None:
    from everswin_trainer.model import mmcv_ops

    mmcv_ops.install()
    from mmdet.models.backbones.swin import SwinTransformer, swin_converter
    from mmengine.config import Config

    recipe = TRAINER.parent / "configs/mmdet/cascade-mask-rcnn_swin-demo.py"
    backbone = dict(Config.fromfile(recipe).model.backbone)
    assert backbone.pop("type") == "SwinTransformer"
    network = SwinTransformer(**backbone)
    model = torch.load(io.BytesIO(files["swin_mini_patch4_window7_224.pth"]), weights_only=True)["model"]
    converted = {name.removeprefix("backbone."): value for name, value in swin_converter(model).items()}
    report = network.load_state_dict(converted, strict=False)
    # MMDetection adds norms for its four outputs, and lacks the classifier's norm and the fixed masks.
    assert sorted(report.missing_keys) == sorted(f"norm{i}.{part}" for i in range(4) for part in ("weight", "bias"))
    assert {name.rsplit(".", 1)[-1] for name in report.unexpected_keys} == {"attn_mask", "weight", "bias"}
    position = "stages.0.blocks.0.attn.w_msa.relative_position_index"
    assert torch.equal(SwinTransformer(**backbone).state_dict()[position], converted[position])
