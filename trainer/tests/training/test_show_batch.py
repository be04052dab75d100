"""Draws the first images of a training of the demo's recipe on two ranks with two images each."""

from pathlib import Path

import cv2
from forked import finish, start_command
from real_job import RealJob

from contract import check_answer
from everswin_trainer.training.show_batch import COLUMNS, MAX_BYTES

MAX_IMAGES, GRAY = 8, 114


def test_show_batch_draws_the_first_steps_of_the_training(tmp_path: Path, data: Path) -> None:
    job = RealJob(tmp_path, data)
    job.plan |= {"batchPerGpu": 2}
    picture, out = tmp_path / "batch.jpg", tmp_path / "answer.json"
    inputs = ["--plan", str(job.plan_file), "--recipe", str(job.recipe), "--data", str(data / "ready")]
    finish([start_command(tmp_path / "log", "show-batch", *inputs, "--into", str(picture), "--out", str(out))], 0)
    answer = check_answer("show-batch", out)
    assert answer["ok"]
    images = answer["images"]
    assert [one["step"] for one in images] == [1] * 4 + [2] * 4 and len(images) == MAX_IMAGES
    assert len({one["fileName"] for one in images}) == MAX_IMAGES
    # The two images of a rank are padded to one size.
    assert all(first["padded"] == second["padded"] for first, second in zip(images[::2], images[1::2], strict=True))
    assert any(one["padded"] != one["augmented"] for one in images)
    drawn = cv2.imread(str(picture))
    assert picture.stat().st_size <= MAX_BYTES
    assert drawn.shape[1] > COLUMNS * 400 and drawn.shape[0] > 2 * 300
    gray = (abs(drawn.astype(int) - GRAY).max(axis=2) < 3).mean()
    assert 0.01 < gray < 0.6


def test_show_batch_says_why_it_cannot_read_the_images(tmp_path: Path, data: Path) -> None:
    job = RealJob(tmp_path, data)
    out = tmp_path / "answer.json"
    inputs = ["--plan", str(job.plan_file), "--recipe", str(job.recipe), "--data", str(data)]
    finish([start_command(tmp_path / "log", "show-batch", *inputs, "--into", "none.jpg", "--out", str(out))], 0)
    assert "run prepare-dataset" in check_answer("show-batch", out)["problem"]
