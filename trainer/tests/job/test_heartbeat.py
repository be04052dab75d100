import os
import time
from pathlib import Path

from everswin_trainer.job.folder import Job
from everswin_trainer.job.heartbeat import SAVING, STEP, Heartbeat, HeartbeatWriter, read_heartbeats


def test_writer_sends_a_heartbeat_at_once(tmp_path: Path) -> None:
    HeartbeatWriter(Job.at(tmp_path), 0)
    assert read_heartbeats(Job.at(tmp_path)) == [Heartbeat(0, os.getpid(), "startup", 1)]


def test_each_rank_writes_one_file_of_fixed_size(tmp_path: Path) -> None:
    job = Job.at(tmp_path)
    first, second = HeartbeatWriter(job, 0), HeartbeatWriter(job, 11)
    for _ in range(100):
        first.send(STEP)
    second.send(SAVING)
    assert {(heartbeat.phase, heartbeat.count) for heartbeat in read_heartbeats(job)} == {("step", 101), ("saving", 2)}
    assert {path.name: path.stat().st_size for path in job.heartbeats.iterdir()} == {"0": 64, "11": 64}


def test_read_heartbeats_returns_none_without_the_folder(tmp_path: Path) -> None:
    assert read_heartbeats(Job.at(tmp_path)) == []


def test_read_heartbeats_skips_incomplete_files(tmp_path: Path) -> None:
    job = Job.at(tmp_path)
    HeartbeatWriter(job, 0)
    for name, torn in (("1", ""), ("2", "123"), ("3", "123 step"), ("4", "\0" * 64), ("5", "x step 1")):
        (job.heartbeats / name).write_text(torn)
    assert [heartbeat.phase for heartbeat in read_heartbeats(job)] == ["startup"]


def test_heartbeat_takes_less_than_a_millisecond(tmp_path: Path) -> None:
    heartbeats = HeartbeatWriter(Job.at(tmp_path), 0)
    begin = time.process_time()
    for _ in range(1000):
        heartbeats.send(STEP)
    # Microseconds on an idle machine; a training step takes at least 0.1 s.
    assert (time.process_time() - begin) / 1000 < 1e-3
