import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from conftest import environment, read_events
from everswin_trainer.job.progress import Progress
from everswin_trainer.training.tensorboard_events import TensorBoard

# The events hold only the fields that the curves need.
pytestmark = pytest.mark.off_contract


def trainer(folder: Path, attempt: int) -> Progress:
    """Returns the progress of one trainer that also writes event files."""
    progress = Progress(folder / "progress.jsonl", attempt)
    progress.subscribe(TensorBoard(folder / "tensorboard", lambda message: progress.write("warning", message=message)))
    return progress


def train(progress: Progress, since: int, until: int, loss: float) -> None:
    """Writes the events of a training with two steps per epoch."""
    progress.write("started", iteration=since)
    for step in range(since + 1, until + 1):
        losses = {"loss_cls": loss, "s0.loss_bbox": loss / 2}
        progress.write("step", iteration=step, loss=loss + step, losses=losses, lr=1e-4, stepSeconds=0.5)
        if step % 2 == 0:
            progress.write("validation", epoch=step // 2, iteration=step, bbox={"AP": step / 100}, segm={"AP": None})


def read(folder: Path) -> EventAccumulator:
    accumulator = EventAccumulator(str(folder / "tensorboard"))
    accumulator.Reload()
    return accumulator


def points(accumulator: EventAccumulator, tag: str) -> dict[int, float]:
    steps = [one.step for one in accumulator.Scalars(tag)]
    assert steps == sorted(set(steps))
    return {one.step: round(one.value, 6) for one in accumulator.Scalars(tag)}


def test_tensorboard_reads_losses_learning_rate_step_time_and_ap(tmp_path: Path) -> None:
    train(trainer(tmp_path, 1), 0, 4, loss=1)
    accumulator = read(tmp_path)
    assert points(accumulator, "train/loss") == {1: 2, 2: 3, 3: 4, 4: 5}
    assert points(accumulator, "losses/s0.loss_bbox") == {1: 0.5, 2: 0.5, 3: 0.5, 4: 0.5}
    assert points(accumulator, "train/lr") == {1: 0.0001, 2: 0.0001, 3: 0.0001, 4: 0.0001}
    assert points(accumulator, "train/step_seconds")[4] == 0.5
    assert points(accumulator, "validation/box_AP") == {2: 0.02, 4: 0.04}
    assert "validation/mask_AP" not in accumulator.Tags()["scalars"], "there was no ground truth"


def test_tensorboard_shows_each_step_once_with_its_latest_value_after_a_resume(tmp_path: Path) -> None:
    train(trainer(tmp_path, 1), 0, 5, loss=1)
    train(trainer(tmp_path, 2), 2, 6, loss=10)
    assert len(list((tmp_path / "tensorboard").iterdir())) == 2
    accumulator = read(tmp_path)
    assert points(accumulator, "train/loss") == {1: 2, 2: 3, 3: 13, 4: 14, 5: 15, 6: 16}
    assert points(accumulator, "validation/box_AP") == {2: 0.02, 4: 0.04, 6: 0.06}


def test_tensorboard_values_are_readable_immediately_and_after_a_kill(tmp_path: Path) -> None:
    progress = trainer(tmp_path, 1)
    train(progress, 0, 2, loss=1)
    assert points(read(tmp_path), "train/loss") == {1: 2, 2: 3}
    progress.write("step", iteration=3, loss=float("nan"), losses={}, lr=None, stepSeconds=0.5)
    assert 3 not in points(read(tmp_path), "train/loss")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")
def test_a_full_disk_causes_a_warning_and_training_continues(tmp_path: Path) -> None:
    script = f"""
import sys; sys.path[:0] = [{str(Path(__file__).parent)!r}, {str(Path(__file__).parents[1])!r}]
from pathlib import Path
from test_tensorboard_events import train, trainer
train(trainer(Path({str(tmp_path)!r}), 1), 0, 300, loss=1)
"""
    (tmp_path / "tensorboard").mkdir()
    mounted = 'mount -t tmpfs -o size=8k tmpfs "$0" && exec "$@"'
    command = ["unshare", "-m", "sh", "-c", mounted, str(tmp_path / "tensorboard"), sys.executable, "-c", script]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    events = read_events(tmp_path / "progress.jsonl")
    assert [one["message"] for one in events if one["type"] == "warning"] == [
        "TensorBoard files are no longer written: OSError: [Errno 28] No space left on device"
    ]
    assert events[-1]["iteration"] == 300


def test_a_missing_package_causes_a_warning_and_training_continues(tmp_path: Path) -> None:
    (tmp_path / "tensorboard.py").write_text("raise ModuleNotFoundError(\"No module named 'tensorboard'\")")
    script = f"""
from pathlib import Path
from everswin_trainer.job.progress import Progress
from everswin_trainer.training.tensorboard_events import TensorBoard
progress = Progress(Path({str(tmp_path / "p")!r}), 1)
tensorboard = TensorBoard(Path({str(tmp_path / "t")!r}), lambda message: progress.write("warning", message=message))
progress.subscribe(tensorboard)
progress.write("started", iteration=0)
progress.write("step", iteration=1, loss=1.0, losses={{}}, lr=1.0, stepSeconds=1.0)
"""
    variables = environment()
    subprocess.run(
        [sys.executable, "-c", script],
        env=variables | {"PYTHONPATH": f"{tmp_path}:{variables['PYTHONPATH']}"},
        check=True,
    )
    kinds = [json.loads(line)["type"] for line in (tmp_path / "p").read_text().splitlines()]
    assert kinds == ["started", "warning", "step"]
