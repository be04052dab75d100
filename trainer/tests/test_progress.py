import json
import subprocess
import sys
from pathlib import Path

from conftest import environment
from everswin_trainer.progress import Progress, box_average_precision, read_events


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
        "import sys; from pathlib import Path; from everswin_trainer.progress import Progress\n"
        "log = Progress(Path(sys.argv[1]), int(sys.argv[2]))\n"
        "for number in range(500): log.write('step', iteration=number, padding='x' * 500)"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "p")]
    writers = [subprocess.Popen([*command, str(number)], env=environment()) for number in (1, 2)]
    assert [one.wait(60) for one in writers] == [0, 0]
    events = read_events(tmp_path / "p")
    for attempt in (1, 2):
        assert [one["iteration"] for one in events if one["attempt"] == attempt] == list(range(500))


def test_the_last_validation_of_a_position_counts() -> None:
    def validation(epoch: int, score: float | None) -> dict:
        return {"type": "validation", "epoch": epoch, "iteration": epoch * 10, "bbox": {"AP": score}}

    events = [validation(1, 0.1), validation(2, None), {"type": "step"}, validation(1, 0.3)]
    assert box_average_precision(events) == {(1, 10): 0.3, (2, 20): 0.0}
