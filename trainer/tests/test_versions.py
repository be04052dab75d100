"""Tests the check of trainer/versions.py, on a copy of the trainer."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TRAINER = Path(__file__).parent.parent
BATCHES = "everswin_trainer/training/batches.py"


@pytest.fixture
def trainer(tmp_path: Path) -> Path:
    for file in ("versions.py", "versions.json", "versions.lock.json", "requirements.lock"):
        shutil.copy(TRAINER / file, tmp_path)
    shutil.copytree(TRAINER / "everswin_trainer", tmp_path / "everswin_trainer")
    return tmp_path


def run(trainer: Path, *arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, trainer / "versions.py", *arguments], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stderr


def versions(trainer: Path) -> dict[str, int]:
    return json.loads((trainer / "versions.json").read_text())


def append(file: Path, text: str) -> None:
    file.write_text(f"{file.read_text()}{text}")


def test_comments_docstrings_and_format_need_no_decision(trainer: Path) -> None:
    append(trainer / BATCHES, "\n\n# A comment.\n")
    docstring = (trainer / "everswin_trainer/data/exif.py").read_text().replace('"""', '"""Changed. ', 1)
    (trainer / "everswin_trainer/data/exif.py").write_text(docstring)
    append(trainer / "requirements.lock", "# via mmdet\n")
    append(trainer / "everswin_trainer/gpu/lease.py", "\nUNRELATED = 1\n")
    assert run(trainer) == (0, "")


def test_changed_code_fails_until_its_decision_is_recorded(trainer: Path) -> None:
    append(trainer / BATCHES, "\n\nCHANGED = 1\n")
    code, message = run(trainer)
    assert code == 1
    assert f"  {BATCHES} (training, test)" in message
    assert "versions.py --same " in message
    assert "versions.py --changed PART" in message

    before = versions(trainer)
    assert run(trainer, "--same") == (0, "")
    assert run(trainer) == (0, "")
    assert versions(trainer) == before

    append(trainer / BATCHES, "\nCHANGED_AGAIN = 1\n")
    assert run(trainer, "--changed", "training") == (0, "")
    assert run(trainer) == (0, "")
    assert versions(trainer) == {**before, "training": before["training"] + 1}


def test_new_imports_and_packages_need_a_decision(trainer: Path) -> None:
    append(trainer / "everswin_trainer/data/exif.py", "\nfrom everswin_trainer.data import sampling\n")
    (trainer / "everswin_trainer/data/sampling.py").write_text("SEED = 7\n")
    lock = trainer / "requirements.lock"
    lock.write_text(lock.read_text().replace("absl-py==", "absl-py==9"))
    code, message = run(trainer)
    assert code == 1
    assert "everswin_trainer/data/sampling.py (dataset)" in message
    assert "requirements.lock (recipe, dataset, weights, training, test)" in message


def test_an_unknown_part_is_refused(trainer: Path) -> None:
    code, message = run(trainer, "--changed", "evaluation")
    assert code == 2
    assert "choose from" in message
