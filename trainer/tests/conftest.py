"""Fixtures that start real supervisors and fake trainers as the worker does."""

import io
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from contract import check_files
from everswin_trainer.checkpoints.checkpoint import Checkpoint, list_checkpoints
from everswin_trainer.demo.mini_coco import make_files
from everswin_trainer.job.speed import SWITCHES
from everswin_trainer.system.atomic_file import parse_object
from everswin_trainer.system.process_tree import find_by_environment, kill_processes

# Set before a test imports torch: OpenMP threads spin while they wait for each other, which is slow on a busy machine.
os.environ["OMP_NUM_THREADS"] = "1"

TRAINER = Path(__file__).parents[1]
PROGRAMS = Path(__file__).parent / "programs"
PLAN = {
    "v": 1,
    "runId": "test",
    "planHash": "0" * 64,
    "recipe": {"name": "cascade-mask-rcnn_swin-demo", "sha256": "0" * 64},
    "weights": {"detector": {"classes": None}},
    "epochs": 3,
    "seed": 0,
    "gpus": 1,
    "batchPerGpu": 4,
    "loaderWorkers": 0,
    "logEverySteps": 1,
    "checkpoint": {"everyMinutes": 10, "keepLast": 3},
    "speed": dict.fromkeys(SWITCHES, False),
    "unknownToTheTrainer": {"anything": True},
}
# Every value is the default.
CONTROL = {"v": 1, "epochs": 3, "checkpointNow": 0, "learningRateFactor": 1.0, "fp32": False, "accumulate": 1}


# Folders of all jobs that the current test has used.
_used: list[Path] = []


@pytest.fixture(autouse=True)
def files_follow_the_contract(request: pytest.FixtureRequest) -> Iterator[None]:
    """Validates the files that a test leaves, unless it is marked `off_contract` because it writes invalid ones."""
    _used.clear()
    if "tmp_path" in request.fixturenames:
        _used.append(request.getfixturevalue("tmp_path"))
    yield
    if not request.node.get_closest_marker("off_contract"):
        for folder in set(_used):
            check_files(folder)


@dataclass
class JobFolder:
    """A job folder and the commands that run in it."""

    root: Path
    plan: dict[str, Any] = field(default_factory=lambda: json.loads(json.dumps(PLAN)))

    def __post_init__(self) -> None:
        _used.append(self.root)

    @property
    def folder(self) -> Path:
        return self.root / "train"

    @property
    def plan_file(self) -> Path:
        path = self.root / "plan.json"
        path.write_text(json.dumps(self.plan))
        return path

    def fake_training(self, *switches: str) -> list[str]:
        common = ["--plan", str(self.plan_file), "--job-dir", str(self.folder)]
        return [sys.executable, "-m", "fake_trainer", "train", *common, *switches]

    def supervise(
        self,
        program: list[str],
        attempt: int = 1,
        grace: float = 5,
        stall: list[str] | None = None,
    ) -> subprocess.Popen[str]:
        """Starts a supervisor."""
        return subprocess.Popen(
            [sys.executable, "-m", "everswin_trainer", "supervise", *self.attempt(program, attempt, grace, stall)],
            cwd=self.root,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def attempt(self, program: list[str], attempt: int, grace: float, stall: list[str] | None) -> list[str]:
        """Returns the arguments of a supervisor."""
        ours = ["--job-dir", str(self.folder), "--attempt", str(attempt), "--fence", str(attempt * 10)]
        ours += ["--grace-seconds", str(grace), *(["--stall-seconds", *stall] if stall else [])]
        return [*ours, "--", *program]

    def exit(self) -> dict[str, Any]:
        return json.loads((self.folder / "exit.json").read_text())

    def events(self, kind: str | None = None) -> list[dict[str, Any]]:
        return [event for event in read_events(self.folder / "progress.jsonl") if kind in (None, event["type"])]

    def living(self) -> list[int]:
        """Returns every process of this job except supervisors."""
        return find_by_environment("EVERSWIN_JOB", str(self.folder.resolve()))

    def wait_for_step(self, step: int) -> None:
        until(lambda: any(event["iteration"] >= step for event in self.events("step")), f"step {step}")

    def newest_checkpoint(self) -> Path:
        return max((self.folder / "checkpoints").glob("*.pth"))


@pytest.fixture(scope="session")
def mini_files() -> dict[str, bytes]:
    """The validation images of the miniature COCO by file name, and their annotations as `val.json`."""
    files = make_files()
    with zipfile.ZipFile(io.BytesIO(files["val2017.zip"])) as archive:
        images = {Path(name).name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(io.BytesIO(files["annotations_trainval2017.zip"])) as archive:
        return {**images, "val.json": archive.read("annotations/instances_val2017.json")}


@pytest.fixture
def job(tmp_path: Path) -> Iterator[JobFolder]:
    """A job in a new folder; kills its remaining processes after the test."""
    folder = JobFolder(tmp_path)
    yield folder
    owner = folder.folder / "owner.json"
    if owner.exists() and _is_supervisor(pid := json.loads(owner.read_text())["pid"]):
        kill_processes([pid])
    kill_processes(folder.living())


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A subset of the miniature COCO, prepared for training, and initial weights."""
    from real_job import make_data

    root = tmp_path_factory.mktemp("mini-coco")
    make_data(root)
    return root


def read_events(path: Path) -> list[dict[str, Any]]:
    """Returns all events of a progress.jsonl, also the steps that ProgressReader leaves out."""
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    return [event for line in lines if (event := parse_object(line)) is not None]


def environment() -> dict[str, str]:
    """Returns the few variables that a worker passes on."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{TRAINER}:{TRAINER / 'tests'}",
        "OMP_NUM_THREADS": "1",
        "HOME": os.environ["HOME"],
    }


def list_valid_checkpoints(folder: Path, plan_hash: str) -> list[Checkpoint]:
    """Returns the checkpoints of a plan whose SHA-256 matches the manifest, newest first."""
    return [checkpoint for checkpoint in list_checkpoints(folder, plan_hash) if checkpoint.is_intact()]


def until(condition: Callable[[], Any], what: str, seconds: float = 120) -> Any:
    """Waits for `condition` to become true and returns its value."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.01)
    raise AssertionError(f"timed out after {seconds} s waiting for {what}")


def is_watched(supervisor: subprocess.Popen[str], pid: int) -> bool:
    """Returns whether the supervisor has a pidfd of a rank, by which it will notice its end."""
    for descriptor in Path(f"/proc/{supervisor.pid}/fdinfo").iterdir():
        # Other descriptors may be closed at any time.
        with suppress(OSError):
            if f"Pid:\t{pid}\n" in descriptor.read_text():
                return True
    return False


def stop(process: subprocess.Popen[str], number: signal.Signals = signal.SIGTERM) -> int:
    process.send_signal(number)
    return process.wait(60)


def _is_supervisor(pid: int) -> bool:
    try:
        return b"supervise" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
