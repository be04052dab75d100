from pathlib import Path

from conftest import list_valid_checkpoints
from everswin_trainer.checkpoints.checkpoint import Checkpoint, Origin, save_checkpoint
from everswin_trainer.checkpoints.retention import apply_retention, epoch_end_positions
from everswin_trainer.job.folder import Attempt

ORIGIN = Origin("plan", Attempt(2, 7), None)
PER_EPOCH = 10


def saved(folder: Path, epoch: int, iteration: int | None = None, origin: Origin = ORIGIN) -> Checkpoint:
    at = epoch * PER_EPOCH if iteration is None else iteration
    return save_checkpoint(folder, epoch, at, origin, lambda stream: stream.write(f"epoch {epoch}".encode()))


def iterations(checkpoints: list[Checkpoint]) -> list[int]:
    return [checkpoint.iteration for checkpoint in checkpoints]


def test_retention_keeps_the_last_and_the_best_checkpoints(tmp_path: Path) -> None:
    for epoch in range(1, 7):
        newest = saved(tmp_path, epoch)
    scores = {(epoch, epoch * 10): ap for epoch, ap in [(1, 0.1), (2, 0.4), (3, 0.4), (4, 0.2), (5, 0.3), (6, 0.1)]}
    assert iterations(apply_retention(tmp_path, newest, 2, frozenset(), scores)) == [40, 20, 10]
    assert iterations(list_valid_checkpoints(tmp_path, "plan")) == [60, 50, 30]


def test_retention_keeps_other_plans_and_the_new_checkpoint(tmp_path: Path) -> None:
    saved(tmp_path, 1, origin=Origin("another", Attempt(1, 1), None))
    for epoch in (2, 5, 6, 7):
        saved(tmp_path, epoch)
    again = saved(tmp_path, 3)
    apply_retention(tmp_path, again, 2, frozenset(), {})
    assert iterations(list_valid_checkpoints(tmp_path, "plan")) == [70, 60, 30]
    assert iterations(list_valid_checkpoints(tmp_path, "another")) == [10]


def test_retention_deletes_nothing_when_the_new_checkpoint_is_damaged(tmp_path: Path) -> None:
    for epoch in range(1, 6):
        newest = saved(tmp_path, epoch)
    newest.path.write_bytes(b"epoch X")
    assert apply_retention(tmp_path, newest, 2, frozenset(), {}) == []
    assert iterations(list_valid_checkpoints(tmp_path, "plan")) == [40, 30, 20, 10]


def test_retention_keeps_milestones(tmp_path: Path) -> None:
    for epoch in range(1, 9):
        newest = saved(tmp_path, epoch)
        apply_retention(tmp_path, newest, 2, epoch_end_positions(frozenset({2, 5}), PER_EPOCH), {})
    assert iterations(list_valid_checkpoints(tmp_path, "plan")) == [80, 70, 50, 20]


def test_mid_epoch_checkpoint_after_a_milestone_is_not_one(tmp_path: Path) -> None:
    """It has the same epoch count, and after a stop it is the only checkpoint with that count."""
    saved(tmp_path, 2, iteration=23)
    for epoch in (3, 4):
        newest = saved(tmp_path, epoch)
    apply_retention(tmp_path, newest, 2, epoch_end_positions(frozenset({2}), PER_EPOCH), {})
    assert iterations(list_valid_checkpoints(tmp_path, "plan")) == [40, 30]


def test_retention_keeps_two_when_one_of_them_is_a_milestone(tmp_path: Path) -> None:
    for epoch in (1, 2, 3):
        newest = saved(tmp_path, epoch)
    apply_retention(tmp_path, newest, 2, epoch_end_positions(frozenset({3}), PER_EPOCH), {(3, 30): 0.9})
    assert iterations(list_valid_checkpoints(tmp_path, "plan")) == [30, 20]


def test_retention_ignores_the_quarantine(tmp_path: Path) -> None:
    for epoch in (1, 2, 3, 4):
        newest = saved(tmp_path, epoch)
    (tmp_path / "quarantine").mkdir()
    for path in (*tmp_path.glob("e003*"), *tmp_path.glob("e001*")):
        path.rename(tmp_path / "quarantine" / path.name)
    assert apply_retention(tmp_path, newest, 2, frozenset(), {(3, 30): 0.9}) == []
    assert iterations(list_valid_checkpoints(tmp_path, "plan")) == [40, 20]
    assert len(list((tmp_path / "quarantine").iterdir())) == 4
