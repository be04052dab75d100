"""Tests the export to ONNX with the demo's model and random weights, whose scores are spread to give detections."""

import json
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from conftest import TRAINER
from contract import check_answer
from everswin_trainer.detector import export_detector, export_onnx
from everswin_trainer.detector.loaded_detector import LoadedDetector
from everswin_trainer.detector.onnx_check import Differences, Found
from everswin_trainer.detector.onnx_graph import explain_unsupported
from everswin_trainer.detector.onnx_input import OnnxInput, Size
from everswin_trainer.detector.predict import Unusable
from everswin_trainer.model.build_config import set_classes
from everswin_trainer.model.recipe import load_recipe
from everswin_trainer.model.weights import build_model

RECIPE = TRAINER.parent / "configs/mmdet/cascade-mask-rcnn_swin-demo.py"
CLASSES = ["disc", "R&D", "箱"]
# Width and height of the pictures: of the input, smaller, larger, portrait, and a narrow one.
SIZES = [(128, 96)] * 5 + [(64, 48), (640, 479), (96, 128), (90, 90), (300, 11)]


@dataclass(frozen=True)
class Exported:
    """A detector's folder, the folder of ten pictures, and the ONNX file with its answer."""

    detector: Path
    images: Path
    file: Path
    answer: dict[str, Any]


def picture(number: int) -> np.ndarray:
    random = np.random.default_rng(number)
    width, height = SIZES[number]
    return cv2.resize(random.integers(0, 256, (4, 5, 3), np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    root = tmp_path_factory.mktemp("onnx")
    torch.manual_seed(0)
    recipe = load_recipe(RECIPE, None)
    set_classes(recipe.model, len(CLASSES))
    recipe.model.backbone.init_cfg = None
    model = build_model(recipe.model)
    model.init_weights()
    model.rpn_head.rpn_cls.weight.data.mul_(20)
    for head in model.roi_head.bbox_head:
        head.fc_cls.weight.data.mul_(100)
    torch.save({"state_dict": model.state_dict()}, root / "w.pth")
    spec = {"title": "test", "recipe": str(RECIPE), "weights": str(root / "w.pth"), "classes": CLASSES}
    (root / "spec.json").write_text(json.dumps({**spec, "v": 1, "categoryIds": [7, 1, 90], "card": ""}))
    detector, out = root / "detector", root / "answer.json"
    export_detector.main(["--spec", str(root / "spec.json"), "--into", str(detector), "--out", str(out)])
    data = prepared_data(root / "data")
    export_onnx.main(
        ["--detector", str(detector), "--into", str(root / "m.onnx"), "--out", str(out), "--data", str(data)]
    )
    return Exported(detector, data / "images/val", root / "m.onnx", check_answer("export-onnx", out))


def prepared_data(root: Path) -> Path:
    """Writes what the export reads of a prepared data set."""
    (root / "images/val").mkdir(parents=True)
    for number in range(len(SIZES)):
        cv2.imwrite(str(root / f"images/val/{number}.png"), picture(number))
    images = [{"id": number, "file_name": f"{number}.png"} for number in range(len(SIZES))]
    (root / "val.json").write_text(json.dumps({"images": images, "annotations": []}))
    split = {"annotations": "val.json", "archive": None, "folder": "", "index": "val.index"}
    (root / "dataset.json").write_text(json.dumps({"v": 1, "classes": CLASSES, "splits": {"val": split}}))
    return root


def test_onnxruntime_agrees_with_mmdetection_on_ten_pictures(exported: Exported) -> None:
    assert (exported.answer["pictures"], exported.answer["images"]) == ("validation", 10)
    assert exported.answer["detections"] >= 100
    assert max(exported.answer["largest"].values()) <= 1e-3
    assert exported.answer["input"] == exported.answer["fit"] == {"width": 128, "height": 96}


def test_metadata_suffices_to_get_the_detections_of_predict(exported: Exported) -> None:
    about = {one.key: one.value for one in onnx.load(exported.file).metadata_props}
    assert (json.loads(about["classes"]), json.loads(about["category_ids"])) == (CLASSES, [7, 1, 90])
    assert (about["input_size"], about["channels"]) == ("128x96", "RGB")
    image = cv2.imread(str(exported.images / "0.png"))
    normalized = (image[..., ::-1] - np.array(json.loads(about["mean"]))) / np.array(json.loads(about["std"]))
    inputs = {"image": normalized.transpose(2, 0, 1)[None].astype(np.float32), "size": np.float32([96, 128])}
    boxes, scores, labels, masks = onnxruntime.InferenceSession(exported.file).run(None, inputs)
    assert list(json.loads(about["outputs"])) == ["boxes", "scores", "labels", "masks"]
    expected = LoadedDetector(exported.detector / "config.py", exported.detector / "model.pth", "cpu").detect(image)
    assert len(expected) >= 10 and labels.tolist() == [one.label for one in expected]
    np.testing.assert_allclose(scores, [one.score for one in expected], atol=1e-4)
    sizes = boxes[:, 2:] - boxes[:, :2]
    np.testing.assert_allclose(np.hstack([boxes[:, :2], sizes]), [one.box for one in expected], atol=1e-3)
    assert masks.shape == (len(expected), 28, 28)


def test_graph_returns_nothing_when_no_proposal_is_left(exported: Exported) -> None:
    # All boxes are clipped to a picture without pixels.
    inputs = {"image": np.zeros((1, 3, 96, 128), np.float32), "size": np.float32([0, 0])}
    found = onnxruntime.InferenceSession(exported.file).run(None, inputs)
    assert [one.shape for one in found] == [(0, 4), (0,), (0,), (0, 28, 28)]


def test_pictures_are_those_named_else_random_ones(exported: Exported, tmp_path: Path) -> None:
    assert [one.shape[:2] for one in export_onnx.read_named(str(exported.images))] == [(h, w) for w, h in SIZES]
    kind, pictures = export_onnx.choose_pictures(tmp_path, Size(128, 96))
    assert (kind, len(pictures)) == ("random", 10)
    (tmp_path / "dataset.json").write_text('{"v": 1, "splits": {}}')
    assert export_onnx.choose_pictures(tmp_path, Size(128, 96))[0] == "random"


def test_export_refuses_what_differs_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    one = Found(np.float32([[0, 0, 8, 8]]), np.float32([0.9]), np.array([0]), np.zeros((1, 2, 2), np.float32))
    none = Found(np.zeros((0, 4)), np.zeros(0), np.zeros(0, int), np.zeros((0, 2, 2)))
    for expected, actual in ((one, none), (none, one)):
        differences = Differences()
        differences.add(expected, actual, 0.05)
        assert differences.largest["scores"] == pytest.approx(0.85)
        with pytest.raises(Unusable, match="differ on 1 images: 8.5e-01 in scores"):
            export_onnx.require_equal(differences)
    differences = Differences()
    differences.add(one, Found(one.boxes, one.scores, one.labels, one.masks * np.nan), 0.05)
    with pytest.raises(Unusable, match="nan in masks"):
        export_onnx.require_equal(differences)


def test_export_names_what_it_cannot_express(tmp_path: Path) -> None:
    def model(kind: str, with_mask: bool = True, **nms: Any) -> Any:
        settings = SimpleNamespace(nms={"type": "nms", "iou_threshold": 0.5, **nms})
        parts = {"roi_head": SimpleNamespace(with_mask=with_mask), "test_cfg": {"rpn": settings, "rcnn": settings}}
        return type(kind, (), parts)()

    assert explain_unsupported(model("CascadeRCNN")) is None
    assert "its model is MaskRCNN" in str(explain_unsupported(model("MaskRCNN")))
    assert "no mask head" in str(explain_unsupported(model("CascadeRCNN", with_mask=False)))
    assert "soft_nms" in str(explain_unsupported(model("CascadeRCNN", type="soft_nms")))
    assert "class_agnostic" in str(explain_unsupported(model("CascadeRCNN", class_agnostic=True)))
    for named, problem in ([], "is not a detector: it has no config.py."), (["--images", "gone"], "No image found"):
        out = tmp_path / "answer.json"
        export_onnx.main(["--detector", str(tmp_path), "--into", str(tmp_path / "m"), "--out", str(out), *named])
        assert problem in check_answer("export-onnx", out)["problem"]


@pytest.mark.parametrize(
    ("step", "size", "expected"),
    [
        ({"scale": (1333, 800), "keep_ratio": True}, None, ("1344x800", "1333x800")),
        ({"scale": (800, 1333), "keep_ratio": True}, None, ("1344x800", "1333x800")),
        ({"scale": (1333, 800), "keep_ratio": True}, "800x1344", ("800x1344", "800x1333")),
        ({"scale": (1333, 800), "keep_ratio": True}, "640x640", ("640x640", "640x640")),
        ({"scale": 500, "keep_ratio": True}, None, ("512x512", "500x500")),
        ({"scale": (640, 640), "keep_ratio": False}, "640x640", ("640x640", "640x640")),
    ],
)
def test_input_size_is_that_of_the_test_pipeline(
    step: dict[str, Any], size: str | None, expected: tuple[str, str]
) -> None:
    pipeline = [{"type": "LoadImageFromFile"}, {"type": "mmdet.Resize", **step}]
    preprocessor = SimpleNamespace(mean=None, std=None, _channel_conversion=False)
    given = OnnxInput.of(pipeline, preprocessor, None if size is None else Size.parse(size))
    assert (str(given.size), str(given.fit)) == expected
    if not step["keep_ratio"]:
        with pytest.raises(ValueError, match="name --size"):
            OnnxInput.of(pipeline, preprocessor, None)
