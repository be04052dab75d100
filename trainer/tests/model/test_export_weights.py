"""Tests that MMDetection's own tools load an exported model."""

import hashlib
from pathlib import Path

import safetensors.torch
import torch

from contract import check_answer
from everswin_trainer.model.export_weights import main


def test_exported_checkpoint_holds_weights_and_classes_and_is_named_by_its_hash(tmp_path: Path) -> None:
    weights = {"backbone.a": torch.randn(2, 3), "roi_head.bbox_head.0.fc_cls.weight": torch.randn(4, 2)}
    safetensors.torch.save_file(weights, tmp_path / "w.safetensors")
    argv = ["--weights", str(tmp_path / "w.safetensors"), "--into", str(tmp_path / "shapes")]
    assert main([*argv, "--class", "disc", "--class", "big; tile", "--out", str(tmp_path / "answer.json")]) == 0
    answer = check_answer("export-weights", tmp_path / "answer.json")
    path = Path(answer["path"])
    assert hashlib.sha256(path.read_bytes()).hexdigest() == answer["sha256"]
    assert path.name == f"shapes-{answer['sha256'][:8]}.pth"
    loaded = torch.load(path, weights_only=True)
    assert loaded["meta"]["dataset_meta"]["classes"] == ("disc", "big; tile")
    assert loaded["state_dict"].keys() == weights.keys()
    assert all(torch.equal(loaded["state_dict"][key], tensor) for key, tensor in weights.items())
