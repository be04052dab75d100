import json
import subprocess
import sys
from pathlib import Path

from conftest import environment
from everswin_trainer.job.progress import Progress, box_average_precision, newest_request, read_events, surviving_events


def test_an_event_is_one_line_that_begins_with_the_version(tmp_path: Path) -> None:
    Progress(tmp_path / "progress.jsonl", 3).write("warning", message="übung\nmacht")
    [line] = (tmp_path / "progress.jsonl").read_text().splitlines()
    assert line.startswith('{"v":1,"type":"warning","t":')
    assert json.loads(line)["attempt"] == 3
    assert json.loads(line)["message"] == "übung\nmacht"


def test_numbers_that_json_lacks_become_null_at_any_depth(tmp_path: Path) -> None:
    Progress(tmp_path / "p", 1).write("step", loss=float("nan"), losses={"a": float("inf"), "b": [1.5, float("-inf")]})
    [event] = read_events(tmp_path / "p")
    assert (event["loss"], event["losses"]) == (None, {"a": None, "b": [1.5, None]})


def test_a_torn_line_costs_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "p"
    Progress(path, 1).write("step", iteration=1)
    with open(path, "a") as stream:
        stream.write('{"v":1,"type":"step","itera')
    assert [one["iteration"] for one in read_events(path)] == [1]
    Progress(path, 2).write("step", iteration=2)
    assert [one["iteration"] for one in read_events(path)] == [1, 2]
    assert len(path.read_bytes().split(b"\n")) == 4


def test_foreign_lines_are_left_out_and_a_missing_file_has_no_events(tmp_path: Path) -> None:
    (tmp_path / "p").write_bytes(b'[1]\n"text"\n{"no":"type"}\n\xff\xfe\n{"type":"step"}\n')
    assert read_events(tmp_path / "p") == [{"type": "step"}]
    assert read_events(tmp_path / "missing") == []


def test_lines_of_two_writers_never_mix(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from everswin_trainer.job.progress import Progress\n"
        "log = Progress(Path(sys.argv[1]), int(sys.argv[2]))\n"
        "for number in range(500): log.write('step', iteration=number, padding='x' * 500)"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "p")]
    writers = [subprocess.Popen([*command, str(number)], env=environment()) for number in (1, 2)]
    assert [one.wait(60) for one in writers] == [0, 0]
    events = read_events(tmp_path / "p")
    for attempt in (1, 2):
        assert [one["iteration"] for one in events if one["attempt"] == attempt] == list(range(500))


def validation(epoch: int, score: float | None) -> dict:
    return {"type": "validation", "epoch": epoch, "iteration": epoch * 10, "bbox": {"AP": score}}


def step(iteration: int) -> dict:
    return {"type": "step", "iteration": iteration}


def started(iteration: int) -> dict:
    return {"type": "started", "iteration": iteration}


def checkpoint(iteration: int, **fields: int) -> dict:
    return {"type": "checkpoint", "iteration": iteration, **fields}


def test_the_last_validation_of_a_position_counts() -> None:
    events = [validation(1, 0.1), validation(2, None), step(21), validation(1, 0.3)]
    assert box_average_precision(events) == {(1, 10): 0.3, (2, 20): 0.0}


def test_a_start_takes_back_the_steps_and_validations_after_it_and_nothing_else() -> None:
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


def test_what_was_taken_back_stays_so_when_a_later_start_reaches_further() -> None:
    events = [started(0), step(30), started(10), step(20), started(20), step(30)]
    assert surviving_events(events) == [started(0), started(10), step(20), started(20), step(30)]


def test_a_second_start_further_back_takes_back_what_the_first_had_left() -> None:
    events = [started(0), step(25), started(30), step(35), started(20), step(25)]
    assert surviving_events(events) == [started(0), started(30), started(20), step(25)]


def test_a_start_at_the_very_iteration_of_a_validation_leaves_it() -> None:
    assert box_average_precision([validation(1, 0.2), validation(2, 0.9), started(20)]) == {(1, 10): 0.2, (2, 20): 0.9}


def test_a_score_that_was_taken_back_does_not_count_until_it_is_measured_again() -> None:
    events = [validation(1, 0.2), validation(2, 0.9), started(10)]
    assert box_average_precision(events) == {(1, 10): 0.2}
    assert box_average_precision([*events, validation(2, 0.3)]) == {(1, 10): 0.2, (2, 20): 0.3}


def test_the_newest_request_is_the_highest_that_a_checkpoint_served() -> None:
    assert newest_request([]) == 0
    # Events of older versions have no such field.
    assert newest_request([checkpoint(5), checkpoint(10, order=3), checkpoint(20, order=0), step(21)]) == 3
