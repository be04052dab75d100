import json
import subprocess
import sys
from pathlib import Path

from conftest import environment, read_events
from everswin_trainer.job.progress import (
    Progress,
    ProgressReader,
    box_average_precision,
    newest_request,
    surviving_events,
)


def test_event_is_one_line_that_starts_with_the_version(tmp_path: Path) -> None:
    Progress(tmp_path / "progress.jsonl", 3).write("warning", message="café\nnoir")
    [line] = (tmp_path / "progress.jsonl").read_text().splitlines()
    assert line.startswith('{"v":1,"type":"warning","t":')
    assert json.loads(line)["attempt"] == 3
    assert json.loads(line)["message"] == "café\nnoir"


def test_non_finite_numbers_become_null_at_any_depth(tmp_path: Path) -> None:
    Progress(tmp_path / "p", 1).write(
        "step", iteration=1, stepSeconds=0.1, loss=float("nan"), losses={"a": float("inf"), "b": [1.5, float("-inf")]}
    )
    [event] = ProgressReader(tmp_path / "p").events()
    assert (event["loss"], event["losses"]) == (None, {"a": None, "b": [1.5, None]})


def test_incomplete_line_loses_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "p"
    Progress(path, 1).write("step", iteration=1, stepSeconds=0.1)
    with open(path, "a") as stream:
        stream.write('{"v":1,"type":"step","itera')
    reader = ProgressReader(path)
    assert (reader.events()[-1]["iteration"], reader.count_unusable_lines()) == (1, 0)
    Progress(path, 2).write("step", iteration=2, stepSeconds=0.1)
    assert (reader.events()[-1]["iteration"], reader.count_unusable_lines()) == (2, 0)
    assert len(path.read_bytes().split(b"\n")) == 4


def test_reader_keeps_the_last_of_consecutive_steps_and_reads_only_what_was_appended(tmp_path: Path) -> None:
    path = tmp_path / "p"
    progress, reader = Progress(path, 1), ProgressReader(path)
    assert reader.events() == []

    def read_after(*iterations: int) -> list[tuple[str, int]]:
        for iteration in iterations:
            progress.write("step", iteration=iteration, stepSeconds=0.1)
        return [(event["type"], event["iteration"]) for event in reader.events()]

    progress.write("started", iteration=0, iterationsPerEpoch=3)
    assert read_after(1, 2) == [("started", 0), ("step", 2)]
    assert read_after(3) == [("started", 0), ("step", 3)]
    progress.write("checkpoint", iteration=3, checkpointNow=0)
    assert read_after(4, 5) == [("started", 0), ("step", 3), ("checkpoint", 3), ("step", 5)]
    # What was read is not read again.
    with open(path, "r+b") as stream:
        stream.write(b" " * 20)
    assert read_after() == [("started", 0), ("step", 3), ("checkpoint", 3), ("step", 5)]
    path.unlink()
    Progress(path, 1).write("step", iteration=9, stepSeconds=0.1)
    assert read_after() == [("step", 9)]


def test_reader_from_the_end_returns_only_later_events(tmp_path: Path) -> None:
    path = tmp_path / "p"
    assert ProgressReader.from_end(path).events() == []
    Progress(path, 1).write("warning", message="before")
    reader = ProgressReader.from_end(path)
    Progress(path, 2).write("warning", message="after")
    assert [event["message"] for event in reader.events()] == ["after"]


def test_reader_skips_foreign_lines_and_missing_files(tmp_path: Path) -> None:
    (tmp_path / "p").write_bytes(
        b'[1]\n"text"\n{"no":"type"}\n\xff\xfe\n{"type":"step"}\n{"type":"tested","t":1,"attempt":1}\n'
    )
    reader = ProgressReader(tmp_path / "p")
    assert (reader.events(), reader.count_unusable_lines()) == ([{"type": "tested", "t": 1, "attempt": 1}], 5)
    assert ProgressReader(tmp_path / "missing").events() == []


def test_lines_of_two_writers_do_not_mix(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from everswin_trainer.job.progress import Progress\n"
        "log = Progress(Path(sys.argv[1]), int(sys.argv[2]))\n"
        "for number in range(500): log.write('step', iteration=number, stepSeconds=1, padding='x' * 500)"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "p")]
    writers = [subprocess.Popen([*command, str(number)], env=environment()) for number in (1, 2)]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    events = read_events(tmp_path / "p")
    for attempt in (1, 2):
        assert [event["iteration"] for event in events if event["attempt"] == attempt] == list(range(500))


def validation(epoch: int, score: float | None) -> dict:
    return {"type": "validation", "epoch": epoch, "iteration": epoch * 10, "bbox": {"AP": score}}


def step(iteration: int) -> dict:
    return {"type": "step", "iteration": iteration}


def started(iteration: int) -> dict:
    return {"type": "started", "iteration": iteration}


def checkpoint(iteration: int, **fields: int) -> dict:
    return {"type": "checkpoint", "iteration": iteration, **fields}


def test_last_validation_of_a_position_counts() -> None:
    events = [validation(1, 0.1), validation(2, None), step(21), validation(1, 0.3)]
    assert box_average_precision(events) == {(1, 10): 0.3, (2, 20): 0.0}


def test_start_discards_only_later_steps_and_validations() -> None:
    before = [started(0), step(10), checkpoint(10), validation(1, 0.2), step(20), checkpoint(20), validation(2, 0.9)]
    after = [started(10), step(20), {"type": "ended", "iteration": 20}]
    assert surviving_events(before + after) == [
        started(0),
        step(10),
        checkpoint(10),
        validation(1, 0.2),
        checkpoint(20),
        *after,
    ]


def test_discarded_events_stay_discarded_when_a_later_start_is_ahead() -> None:
    events = [started(0), step(30), started(10), step(20), started(20), step(30)]
    assert surviving_events(events) == [started(0), started(10), step(20), started(20), step(30)]


def test_earlier_second_start_discards_more() -> None:
    events = [started(0), step(25), started(30), step(35), started(20), step(25)]
    assert surviving_events(events) == [started(0), started(30), started(20), step(25)]


def test_start_keeps_a_validation_at_its_iteration() -> None:
    assert box_average_precision([validation(1, 0.2), validation(2, 0.9), started(20)]) == {(1, 10): 0.2, (2, 20): 0.9}


def test_discarded_score_is_ignored_until_measured_again() -> None:
    events = [validation(1, 0.2), validation(2, 0.9), started(10)]
    assert box_average_precision(events) == {(1, 10): 0.2}
    assert box_average_precision([*events, validation(2, 0.3)]) == {(1, 10): 0.2, (2, 20): 0.3}


def test_newest_request_is_the_highest_that_a_checkpoint_served() -> None:
    assert newest_request([]) == 0
    # Events of older versions have no such field.
    assert (
        newest_request([checkpoint(5), checkpoint(10, checkpointNow=3), checkpoint(20, checkpointNow=0), step(21)]) == 3
    )
