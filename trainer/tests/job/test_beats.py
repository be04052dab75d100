import os
import time
from pathlib import Path

from everswin_trainer.job.beats import SAVING, STEP, Beat, Beats, read_beats
from everswin_trainer.job.folder import Job


def test_a_rank_gives_a_sign_as_soon_as_it_is_there(tmp_path: Path) -> None:
    Beats(Job.at(tmp_path), 0)
    assert read_beats(Job.at(tmp_path)) == [Beat(0, os.getpid(), "startup", 1)]


def test_each_rank_has_a_file_of_its_own_that_never_grows(tmp_path: Path) -> None:
    job = Job.at(tmp_path)
    first, second = Beats(job, 0), Beats(job, 11)
    for _ in range(100):
        first.beat(STEP)
    second.beat(SAVING)
    assert {(one.phase, one.count) for one in read_beats(job)} == {("step", 101), ("saving", 2)}
    assert {path.name: path.stat().st_size for path in job.beats.iterdir()} == {"0": 64, "11": 64}


def test_without_signs_there_are_none(tmp_path: Path) -> None:
    assert read_beats(Job.at(tmp_path)) == []


def test_what_is_not_whole_is_no_sign(tmp_path: Path) -> None:
    job = Job.at(tmp_path)
    Beats(job, 0)
    for name, torn in (("1", ""), ("2", "123"), ("3", "123 step"), ("4", "\0" * 64), ("5", "x step 1")):
        (job.beats / name).write_text(torn)
    assert [one.phase for one in read_beats(job)] == ["startup"]


def test_a_sign_costs_next_to_nothing(tmp_path: Path) -> None:
    beats = Beats(Job.at(tmp_path), 0)
    begin = time.perf_counter()
    for _ in range(1000):
        beats.beat(STEP)
    # Some microseconds on a quiet machine; a step takes at least a tenth of a second.
    assert (time.perf_counter() - begin) / 1000 < 1e-3
