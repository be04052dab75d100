"""Tests what `predict` does without a model: GPU lease, integrity of the detector, unusable images."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from fake_gpus import FakeGpus, uuid

from everswin_trainer.detector import predict
from everswin_trainer.gpu.wait import ParentExited


def test_predict_leases_one_gpu_and_waits_while_others_hold_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpus = FakeGpus(tmp_path)
    gpus.have(2)
    monkeypatch.setenv("PATH", gpus.path)
    # lease_gpu sets it; monkeypatch restores only what it has set itself.
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")

    def lease(name: str, parent_pid: int = os.getppid()) -> str:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
        common = ["--detector", "d", "--images", "i", "--into", "r", "--out", "o", "--device", "cuda"]
        wanted = ["--job-dir", str(tmp_path / name / "job"), "--gpu-folder", str(gpus.folder)]
        predict.lease_gpu(predict.parse([*common, *wanted, "--parent-pid", str(parent_pid)]))
        return os.environ["CUDA_VISIBLE_DEVICES"]

    assert [lease("first"), lease("second")] == [uuid(0), uuid(1)]
    # Waits until the process that started it ends.
    with pytest.raises(ParentExited):
        lease("third", parent_pid=1 << 22)


def test_predict_refuses_a_detector_that_is_incomplete_or_changed(tmp_path: Path) -> None:
    with pytest.raises(predict.Unusable, match="is not a detector: it has no config.py"):
        predict.require_intact(tmp_path)
    for name in ("config.py", "model.pth"):
        (tmp_path / name).touch()
    predict.require_intact(tmp_path)
    (tmp_path / "SHA256SUMS").write_text(f"{'0' * 64}  model.pth\n")
    with pytest.raises(predict.Unusable, match="model.pth is damaged or was changed"):
        predict.require_intact(tmp_path)


def test_predict_refuses_images_of_which_none_can_be_predicted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "text.jpg").write_text("text")
    (tmp_path / "empty.png").touch()
    monkeypatch.setattr(predict, "require_intact", lambda folder: None)
    monkeypatch.setattr(predict, "prepare_process", lambda device: None)
    monkeypatch.setattr(predict, "load", lambda folder, device: SimpleNamespace(classes=("disc",), category_ids=[1]))
    common = ["--detector", "d", "--images", "i", "--into", str(tmp_path), "--out", "o", "--device", "cpu"]
    with pytest.raises(predict.Unusable) as refused:
        predict.predict(predict.parse(common), [str(tmp_path), "gone"])
    assert str(refused.value).splitlines() == [
        "No image can be predicted:",
        "- gone does not exist.",
        "- empty.png is empty.",
        "- text.jpg is not an image that OpenCV can read.",
    ]
