import dataclasses
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import PROGRAMS, environment, list_valid_checkpoints
from everswin_trainer.checkpoints.checkpoint import (
    Checkpoint,
    Origin,
    list_checkpoints,
    load_checkpoint,
    save_checkpoint,
    sweep_checkpoints,
)
from everswin_trainer.job.folder import Attempt

ORIGIN = Origin("plan", Attempt(2, 7), "2.10.0")


def saved(folder: Path, epoch: int, origin: Origin = ORIGIN) -> Checkpoint:
    return save_checkpoint(folder, epoch, epoch * 10, origin, lambda stream: stream.write(f"epoch {epoch}".encode()))


def epochs(checkpoints: list[Checkpoint]) -> list[int]:
    return [checkpoint.epoch for checkpoint in checkpoints]


def test_manifest_describes_file_and_origin(tmp_path: Path) -> None:
    checkpoint = saved(tmp_path, 12)
    assert checkpoint.path.name == "e012-i000120.pth"
    manifest = json.loads((tmp_path / "e012-i000120.json").read_text())
    assert manifest.pop("createdAt") > 1.7e9
    assert manifest == {
        "v": 1,
        "file": "e012-i000120.pth",
        "bytes": 8,
        "sha256": hashlib.sha256(b"epoch 12").hexdigest(),
        "epoch": 12,
        "iteration": 120,
        "planHash": "plan",
        "attempt": 2,
        "fence": 7,
        "torch": "2.10.0",
    }


def test_valid_checkpoints_are_listed_newest_first(tmp_path: Path) -> None:
    for epoch in (1, 3, 2):
        saved(tmp_path, epoch)
    assert epochs(list_valid_checkpoints(tmp_path, "plan")) == [3, 2, 1]
    assert list_valid_checkpoints(tmp_path / "missing", "plan") == []


def test_checkpoint_is_invalid_after_any_kind_of_damage(tmp_path: Path) -> None:
    for epoch in range(1, 8):
        saved(tmp_path, epoch)
    (tmp_path / "e001-i000010.pth").write_bytes(b"epoch X")
    (tmp_path / "e002-i000020.pth").write_bytes(b"epoc")
    (tmp_path / "e003-i000030.pth").unlink()
    (tmp_path / "e004-i000040.json").write_text('{"v":1,"file":"e004-i0')
    (tmp_path / "e005-i000050.json").unlink()
    (tmp_path / "e006-i000060.json").rename(tmp_path / "e009-i000090.json")
    assert epochs(list_valid_checkpoints(tmp_path, "plan")) == [7]


def test_checkpoint_of_another_plan_is_not_listed(tmp_path: Path) -> None:
    saved(tmp_path, 1, Origin("another", Attempt(1, 1), None))
    assert list_valid_checkpoints(tmp_path, "plan") == []
    with pytest.raises(ValueError, match="expected .* to belong to plan plan, got one of plan another"):
        load_checkpoint(tmp_path / "e001-i000010.pth", "plan")


def test_load_checkpoint_refuses_with_the_defect(tmp_path: Path) -> None:
    checkpoint = saved(tmp_path, 1)
    assert load_checkpoint(checkpoint.path, "plan") == checkpoint
    checkpoint.path.write_bytes(b"epoch X")
    with pytest.raises(ValueError, match="is damaged"):
        load_checkpoint(checkpoint.path, "plan")
    checkpoint.manifest.unlink()
    with pytest.raises(ValueError, match="has no readable manifest"):
        load_checkpoint(checkpoint.path, "plan")


def test_failed_write_leaves_no_file_and_keeps_other_checkpoints(tmp_path: Path) -> None:
    saved(tmp_path, 1)

    def full(stream) -> None:
        stream.write(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        save_checkpoint(tmp_path, 2, 20, ORIGIN, full)
    assert epochs(list_valid_checkpoints(tmp_path, "plan")) == [1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["e001-i000010.json", "e001-i000010.pth"]


def test_an_intact_checkpoint_is_kept_and_a_damaged_or_foreign_one_replaced(tmp_path: Path) -> None:
    def again(plan_hash: str = "plan") -> bytes:
        origin = dataclasses.replace(ORIGIN, plan_hash=plan_hash)
        return save_checkpoint(tmp_path, 1, 10, origin, lambda stream: stream.write(b"again")).path.read_bytes()

    first = saved(tmp_path, 1)
    assert again() == b"epoch 1"
    first.path.write_bytes(b"epoch X")
    assert again() == b"again"
    saved(tmp_path, 2)
    assert again("other") == b"again"
    assert epochs(list_valid_checkpoints(tmp_path, "other")) == [1]


def test_sweep_deletes_only_incomplete_files(tmp_path: Path) -> None:
    for epoch in (1, 2):
        saved(tmp_path, epoch)
    (tmp_path / "e002-i000020.json").unlink()
    (tmp_path / ".e003-i000030.pth.part").write_bytes(b"half")
    sweep_checkpoints(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["e001-i000010.json", "e001-i000010.pth"]
    sweep_checkpoints(tmp_path / "missing")


@pytest.mark.parametrize("epoch", [4, 3], ids=["new position", "same position"])
def test_older_checkpoints_survive_a_kill_between_any_two_system_calls(tmp_path: Path, epoch: int) -> None:
    endings = []
    for deadly in range(1, 60):
        folder = tmp_path / str(deadly)
        command = [sys.executable, str(PROGRAMS / "save_and_die.py"), str(folder), str(deadly), str(epoch)]
        end = subprocess.run(command, env=environment(), capture_output=True, text=True)
        found = list_valid_checkpoints(folder, "plan")
        endings.append((end.returncode, epochs(found)))
        # A manifest always describes a complete file, so every listed checkpoint is valid.
        assert epochs(list_checkpoints(folder, "plan")) == epochs(found)
        if end.stdout == "survived\n":
            break
        assert end.returncode == -9
        assert 2 in epochs(found) or epoch in epochs(found)
        assert 1 in epochs(found), "the best checkpoint"
        assert 3 in epochs(found), "a checkpoint was reported, so it stays valid"
    assert endings[-1] == (0, [4, 3, 1] if epoch == 4 else [3, 2, 1])
    assert len(endings) > 5
