import errno
import json
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from conftest import PLAN, PROGRAMS, environment, list_valid_checkpoints, read_events
from everswin_trainer.checkpoints import saver
from everswin_trainer.checkpoints.checkpoint import Origin, list_checkpoints
from everswin_trainer.checkpoints.saver import Saver, StateCopy
from everswin_trainer.job.folder import Attempt, Job
from everswin_trainer.job.plan import Plan
from everswin_trainer.job.progress import Progress, ProgressReader
from everswin_trainer.system.disk_space import require_checkpoint_space

PLAN_HASH = PLAN["planHash"]
PER_EPOCH = 10


class Folder:
    """A job folder and its saver."""

    def __init__(self, root: Path, milestones: frozenset[int], policy: dict[str, Any]) -> None:
        checkpoint = {"everyMinutes": 10, "keepLast": 2, **policy}
        (root / "plan.json").write_text(json.dumps({**PLAN, "checkpoint": checkpoint}))
        plan = Plan.load(root / "plan.json")
        self.job = Job.at(root / "train")
        self.progress = Progress(self.job.progress, 1)
        self.progress.write(
            "started",
            **{"fence": 1, "epoch": 0, "iteration": 0, "iterationsPerEpoch": PER_EPOCH, "epochs": 3, "worldSize": 1},
            **{"device": "cpu", "resumedFrom": None, "pids": [], "versions": {}},
        )
        origin, recorded = Origin(PLAN_HASH, Attempt(1, 1), None), ProgressReader(self.job.progress)
        self.saver = Saver(self.job, plan, origin, self.progress, recorded, milestones)

    def save(
        self,
        epoch: int,
        write: Callable[[BinaryIO], Any] = lambda stream: stream.write(b"whole"),
        iteration: int | None = None,
        size_bytes: int = 5,
        is_finite: bool = True,
        request: int = 0,
        blocked_since: float | None = None,
    ) -> None:
        at = epoch * PER_EPOCH if iteration is None else iteration
        since = time.monotonic() if blocked_since is None else blocked_since
        copy = StateCopy(epoch, at, size_bytes, write, is_finite=lambda: is_finite)
        self.saver.save(copy, request=request, blocked_since=since)

    def validated(self, epoch: int, score: float) -> None:
        scores = dict.fromkeys(("AP", "AP50", "AP75", "APs", "APm", "APl"), score)
        position = {"epoch": epoch, "iteration": epoch * PER_EPOCH}
        self.progress.write("validation", **position, bbox=scores, segm=scores, seconds=0.1)
        self.saver.retain()

    def epochs(self) -> list[int]:
        return [checkpoint.epoch for checkpoint in list_valid_checkpoints(self.job.checkpoints, PLAN_HASH)]

    def events(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in read_events(self.job.progress) if event["type"] == kind]


class Gate:
    """A write that blocks until `open` is set."""

    def __init__(self) -> None:
        self.reached, self.open = threading.Event(), threading.Event()

    def write(self, stream: BinaryIO) -> None:
        stream.write(b"half ")
        self.reached.set()
        assert self.open.wait(30)
        stream.write(b"whole")


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path, frozenset(), {})


@pytest.fixture
def gate() -> Gate:
    return Gate()


def full(stream: BinaryIO) -> None:
    stream.write(b"half")
    raise OSError(errno.ENOSPC, "No space left on device")


def test_save_does_not_block_training(folder: Folder, gate: Gate) -> None:
    folder.save(1, gate.write)
    assert gate.reached.wait(30)
    folder.saver.raise_if_failed()
    assert folder.epochs() == []
    assert folder.events("checkpoint") == []
    assert folder.saver.saved_iteration == 10
    gate.open.set()
    folder.saver.wait()
    assert folder.epochs() == [1]


def test_checkpoint_event_reports_file_request_and_durations(folder: Folder) -> None:
    folder.save(
        1, lambda stream: (time.sleep(0.3), stream.write(b"whole")), request=4, blocked_since=time.monotonic() - 2
    )
    folder.saver.wait()
    [event] = folder.events("checkpoint")
    [checkpoint] = list_valid_checkpoints(folder.job.checkpoints, PLAN_HASH)
    assert (event["file"], event["epoch"], event["iteration"], event["checkpointNow"]) == ("e001-i000010.pth", 1, 10, 4)
    assert (event["bytes"], event["sha256"]) == (5, checkpoint.sha256)
    assert event["blockedSeconds"] >= 2
    assert event["seconds"] - event["blockedSeconds"] >= 0.3
    assert folder.saver.mean_blocked_seconds == event["blockedSeconds"]


def test_mean_blocked_seconds_averages_all_saves(folder: Folder) -> None:
    assert folder.saver.mean_blocked_seconds == 0
    assert folder.saver.saved_iteration is None
    for epoch, seconds in ((1, 1.0), (2, 3.0)):
        folder.save(epoch, blocked_since=time.monotonic() - seconds)
    folder.saver.wait()
    first, second = (event["blockedSeconds"] for event in folder.events("checkpoint"))
    assert first >= 1 and second >= 3
    assert folder.saver.mean_blocked_seconds == pytest.approx((first + second) / 2, abs=0.01)


def test_save_waits_for_the_previous_save_and_reports_the_time(folder: Folder, gate: Gate) -> None:
    folder.save(1, gate.write)
    threading.Timer(0.3, gate.open.set).start()
    folder.save(2)
    assert folder.epochs()[-1:] == [1], "the first is complete when the second starts"
    folder.saver.wait()
    assert folder.epochs() == [2, 1]
    assert folder.events("checkpoint")[1]["blockedSeconds"] > 0.25


def test_every_later_call_raises_the_error_of_a_save(folder: Folder) -> None:
    folder.save(1)
    folder.save(2, full)
    with pytest.raises(OSError, match="No space left"):
        folder.saver.wait()
    for another_call in (folder.saver.raise_if_failed, folder.saver.wait, lambda: folder.save(3)):
        with pytest.raises(OSError, match="No space left"):
            another_call()
    assert folder.epochs() == [1]
    assert sorted(path.suffix for path in folder.job.checkpoints.iterdir()) == [".json", ".pth"]


def test_raise_if_failed_does_not_wait(folder: Folder, gate: Gate) -> None:
    def fail_later(stream: BinaryIO) -> None:
        gate.write(stream)
        full(stream)

    folder.save(1, fail_later)
    folder.saver.raise_if_failed()
    gate.open.set()
    deadline = time.monotonic() + 30
    with pytest.raises(OSError, match="No space left"):
        while time.monotonic() < deadline:
            folder.saver.raise_if_failed()


def test_retention_does_not_hide_the_error_of_a_save(folder: Folder) -> None:
    folder.save(1, full)
    folder.saver.retain()
    with pytest.raises(OSError, match="No space left"):
        folder.saver.wait()


def test_save_fails_before_writing_when_the_disk_is_too_small(folder: Folder) -> None:
    folder.save(1)
    folder.save(2, lambda _stream: pytest.fail("written despite the full disk"), size_bytes=1 << 60)
    with pytest.raises(
        OSError, match="No space left on device: a checkpoint needs 1152921504606846976 bytes"
    ) as raised:
        folder.saver.wait()
    assert raised.value.errno == errno.ENOSPC
    assert f"are free in {folder.job.checkpoints}; older checkpoints are untouched" in str(raised.value)
    assert folder.epochs() == [1]


def test_disk_space_check_requires_a_margin(tmp_path: Path) -> None:
    disk = os.statvfs(tmp_path)
    free = disk.f_bavail * disk.f_frsize
    require_checkpoint_space(tmp_path, free // 2)
    with pytest.raises(OSError, match="No space left on device"):
        require_checkpoint_space(tmp_path, int(free * 0.999))


def test_save_skips_weights_that_are_not_finite(folder: Folder) -> None:
    folder.save(1)
    folder.save(2, is_finite=False)
    folder.saver.wait()
    assert folder.epochs() == [1]
    assert [event["message"] for event in folder.events("warning")] == [
        "not saved at step 20: the weights are not finite"
    ]
    assert folder.saver.saved_iteration == 20


def test_retention_replaces_the_best_checkpoint(folder: Folder) -> None:
    for epoch, score in ((1, 0.3), (2, 0.1), (3, 0.1), (4, 0.1)):
        folder.save(epoch)
        folder.validated(epoch, score)
    folder.saver.wait()
    assert folder.epochs() == [4, 3, 1]
    folder.save(5)
    folder.saver.wait()
    assert folder.epochs() == [5, 4, 1]
    folder.validated(5, 0.5)
    folder.saver.wait()
    assert folder.epochs() == [5, 4]


def test_retention_waits_for_a_save_in_flight(folder: Folder, gate: Gate) -> None:
    for epoch in (1, 2):
        folder.save(epoch)
    folder.validated(1, 0.5)
    folder.save(3)
    folder.saver.wait()
    assert folder.epochs() == [3, 2, 1]
    folder.save(4, gate.write)
    assert gate.reached.wait(30)
    folder.validated(3, 0.9)
    time.sleep(0.2)
    assert folder.epochs() == [3, 2, 1]
    gate.open.set()
    folder.saver.wait()
    assert folder.epochs() == [4, 3]


def test_error_of_retention_does_not_end_the_training(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    for epoch in (1, 2):
        folder.save(epoch)
    folder.saver.wait()
    with monkeypatch.context() as patch:
        patch.setattr(saver, "apply_retention", fail_with_eio)
        folder.save(3)
        folder.saver.wait()
    assert folder.epochs() == [3, 2, 1]
    assert [event["message"] for event in folder.events("warning")] == [
        "old checkpoints were not deleted: [Errno 5] Input/output error"
    ]
    folder.saver.retain()
    folder.saver.wait()
    assert folder.epochs() == [3, 2]


def fail_with_eio(*_arguments: Any) -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_retention_does_nothing_before_the_first_save(folder: Folder) -> None:
    folder.validated(1, 0.5)
    folder.saver.wait()
    assert not folder.job.checkpoints.exists()


@pytest.mark.parametrize(("of_plan", "kept"), [({}, [65, 60, 20]), ({"milestones": [1, 3]}, [65, 60, 30, 10])])
def test_milestones_of_the_plan_override_those_of_the_schedule(
    tmp_path: Path, of_plan: dict[str, Any], kept: list[int]
) -> None:
    folder = Folder(tmp_path, frozenset({2}), of_plan)
    for epoch in range(1, 7):
        folder.save(epoch)
        folder.save(epoch, iteration=epoch * PER_EPOCH + 5)
    folder.saver.wait()
    assert [checkpoint.iteration for checkpoint in list_valid_checkpoints(folder.job.checkpoints, PLAN_HASH)] == kept


def test_forked_process_exits_without_waiting_for_the_save(folder: Folder, gate: Gate) -> None:
    """Data-loader workers are forked at the start of each epoch."""
    folder.save(1, gate.write)
    assert gate.reached.wait(30)
    worker = multiprocessing.get_context("fork").Process(target=int)
    worker.start()
    worker.join(30)
    assert worker.exitcode == 0
    gate.open.set()
    folder.saver.wait()
    assert folder.epochs() == [1]


def test_failing_process_completes_its_save(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text(json.dumps(PLAN))
    command = [sys.executable, str(PROGRAMS / "save_and_raise.py"), str(tmp_path)]
    end = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=60)
    assert (end.returncode, end.stderr.strip().splitlines()[-1]) == (1, "RuntimeError: the step failed")
    assert [checkpoint.iteration for checkpoint in list_checkpoints(tmp_path / "train/checkpoints", PLAN_HASH)] == [10]
