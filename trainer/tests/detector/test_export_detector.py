"""Tests the exported folder: MMDetection alone loads it, with any class names."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from mmengine.config import Config

from conftest import TRAINER
from contract import check, check_answer
from everswin_trainer.detector import export_detector
from everswin_trainer.detector.detector_config import detector_config, to_text
from everswin_trainer.model.detector_weights import expected_detector
from everswin_trainer.model.recipe import flatten, load_recipe

RECIPE = TRAINER.parent / "configs/mmdet/cascade-mask-rcnn_swin-demo.py"
# MMEngine substitutes {{ }} in the text of a config.
CLASSES = ["disc", "{{ fileBasename }}", "très 'grand'\\", "箱\n", "{{$HOME:x}}", chr(0xDCFF)]


def write_spec(folder: Path, **changes: Any) -> Path:
    spec = {
        "v": 1,
        "title": "Detector {{ fileBasename }}",
        "recipe": str(RECIPE),
        "weights": str(folder / "w.safetensors"),
        "classes": CLASSES,
        "categoryIds": None,
        "annotations": None,
        "card": "# card\n",
        **changes,
    }
    check("detector-spec", spec)
    path = folder / "spec.json"
    path.write_text(json.dumps(spec))
    return path


@pytest.fixture(scope="module")
def weights() -> dict[str, torch.Tensor]:
    """Random weights of the demo's model for CLASSES."""
    return expected_detector(load_recipe(RECIPE, None).model, len(CLASSES))


def test_exported_folder_holds_weights_classes_and_checksums(tmp_path: Path, weights: dict[str, torch.Tensor]) -> None:
    torch.save({"state_dict": weights}, tmp_path / "w.pth")
    annotations = {"categories": [{"id": 90 - label, "name": name} for label, name in enumerate(CLASSES)]}
    (tmp_path / "val.json").write_text(json.dumps(annotations))
    spec = write_spec(tmp_path, weights=str(tmp_path / "w.pth"), annotations=str(tmp_path / "val.json"))
    folder, out = tmp_path / "detector", tmp_path / "answer.json"
    export_detector.main(["--spec", str(spec), "--into", str(folder), "--out", str(out)])
    answer = check_answer("export-detector", out)
    assert answer["categoryIds"] == [90, 89, 88, 87, 86, 85]
    assert {one["file"]: one["sha256"] for one in answer["files"]} == {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()
    }
    listed = dict(reversed(line.split("  ")) for line in (folder / "SHA256SUMS").read_text().splitlines())
    assert listed == {one["file"]: one["sha256"] for one in answer["files"] if one["file"] != "SHA256SUMS"}
    saved = torch.load(folder / "model.pth", weights_only=True)
    assert saved["meta"]["dataset_meta"]["classes"] == tuple(CLASSES)
    assert all(torch.equal(saved["state_dict"][key], tensor) for key, tensor in weights.items())
    config = Config.fromfile(str(folder / "config.py"))
    assert config.category_ids == answer["categoryIds"]
    for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        assert loader.dataset.metainfo.classes == tuple(CLASSES)
        assert len(loader.dataset.metainfo.palette) == len(CLASSES)
    heads = config.model.roi_head
    assert {head.num_classes for head in (*heads.bbox_head, heads.mask_head)} == {len(CLASSES)}

    # Converted weights and the flattened recipe, from which `models export` starts, give the same files.
    safetensors.torch.save_file(safetensors.torch.load_file(folder / "model.safetensors"), tmp_path / "w.safetensors")
    (tmp_path / "flat.py").write_text(flatten(load_recipe(RECIPE, None)))
    spec = write_spec(tmp_path, recipe=str(tmp_path / "flat.py"), categoryIds=answer["categoryIds"])
    export_detector.main(["--spec", str(spec), "--into", str(folder), "--out", str(out)])
    assert check_answer("export-detector", out) == answer
    assert sorted(path.name for path in tmp_path.iterdir() if "detector" in path.name) == [".detector.lock", "detector"]


def test_export_keeps_the_earlier_folder_when_the_weights_do_not_fit(
    tmp_path: Path, weights: dict[str, torch.Tensor]
) -> None:
    safetensors.torch.save_file(weights, tmp_path / "w.safetensors")
    folder = tmp_path / "detector"
    folder.mkdir()
    (folder / "kept").touch()
    spec = write_spec(tmp_path, classes=["disc"])
    with pytest.raises(ValueError, match=r"fc_cls.weight is \[7, 64\] instead of \[2, 64\]"):
        export_detector.main(["--spec", str(spec), "--into", str(folder), "--out", str(tmp_path / "answer.json")])
    assert [path.name for path in folder.iterdir()] == ["kept"]


@pytest.mark.parametrize("recipe", sorted((TRAINER.parent / "configs/mmdet").glob("*.py")), ids=lambda path: path.stem)
def test_config_of_every_recipe_is_self_contained(recipe: Path, tmp_path: Path) -> None:
    path = tmp_path / "config.py"
    path.write_bytes(to_text(detector_config(load_recipe(recipe, None), ["a"], [7]), "title"))
    config = Config.fromfile(str(path))
    assert "_base_" not in path.read_text() and "custom_imports" not in config and "images_at_once" not in config
    assert config.model.backbone.init_cfg is None and config.test_dataloader.dataset.metainfo.classes == ("a",)
