"""Tests of two supervisors of one attempt, each with its own GPUs, as on two machines."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import PROGRAMS, JobFolder, environment, stop, until
from everswin_trainer.system.atomic_file import read_json
from everswin_trainer.system.process_tree import find_by_environment, kill_processes

HOSTS = ("a", "b")
CRASHED = {
    **{"v": 1, "attempt": 1, "fence": 1, "reason": "crashed", "code": 1, "signal": None, "stopRequested": False},
    **{"rootCause": None, "endedBy": None, "startedAt": 1.0, "endedAt": 2.0},
}
SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]


class TwoHosts(JobFolder):
    def host(self, name: str) -> Path:
        return self.folder / "hosts" / name

    def start(self, name: str, program: list[str], fence: int = 1, switches: tuple[str, ...] = ()) -> subprocess.Popen:
        ours = ["--job-dir", str(self.host(name)), "--run-dir", str(self.folder), "--attempt", str(fence)]
        ours += ["--fence", str(fence), "--grace-seconds", "5", *switches]
        gpus = ["--gpu-folder", str(self.root / f"gpus-{name}"), "--device", "cpu", "--parent-pid", str(os.getpid())]
        hosts = ["--hosts", *(str(self.host(host)) for host in HOSTS)]
        command = [sys.executable, "-m", "everswin_trainer", "supervise", *ours, *gpus, *hosts, "--", *program]
        return subprocess.Popen(command, cwd=self.root, env=environment(), start_new_session=True)

    def runs(self, name: str) -> bool:
        return (read_json(self.host(name) / "owner.json") or {}).get("fence") == 1

    def waits_for(self, name: str) -> list[str]:
        return (read_json(self.host(name) / "waiting.json") or {}).get("hosts", [])

    def ending(self, name: str) -> dict:
        return json.loads((self.host(name) / "exit.json").read_text())


@pytest.fixture
def both(tmp_path: Path) -> Iterator[TwoHosts]:
    hosts = TwoHosts(tmp_path)
    yield hosts
    for name in HOSTS:
        kill_processes(find_by_environment("EVERSWIN_JOB", str(hosts.host(name).resolve())))


def holds_gpus(both: TwoHosts, name: str) -> bool:
    lease = both.root / f"gpus-{name}" / "cpu.lock"
    return lease.exists() and lease.read_text() != ""


def test_hosts_acquire_gpus_in_order_and_start_together(both: TwoHosts) -> None:
    second = both.start("b", SLEEP)
    until(lambda: both.waits_for("b") == ["a"], "the second to wait for the first")
    assert not holds_gpus(both, "b")
    first = both.start("a", SLEEP)
    until(lambda: both.runs("a") and both.runs("b"), "both to run")
    assert holds_gpus(both, "a")
    assert holds_gpus(both, "b")
    assert [stop(first), second.wait(60)] == [143, 143], "a stop of one stops both"
    assert [both.ending(name)["reason"] for name in HOSTS] == ["preempted", "preempted"]
    assert [both.ending(name)["stopRequested"] for name in HOSTS] == [True, True]


def test_first_host_releases_its_gpus_when_stopped_while_waiting(both: TwoHosts) -> None:
    first = both.start("a", SLEEP)
    until(lambda: both.waits_for("a") == ["b"], "the first to wait for the second")
    assert holds_gpus(both, "a")
    assert not both.runs("a")
    assert stop(first) == 143
    assert not holds_gpus(both, "a")
    assert (both.ending("a")["reason"], both.ending("a")["rootCause"]) == ("preempted", None)


def test_files_of_an_earlier_attempt_are_ignored(both: TwoHosts) -> None:
    for name in HOSTS:
        both.host(name).mkdir(parents=True)
        (both.host(name) / "ready.json").write_text('{"v": 1, "fence": 1}')
        (both.host(name) / "exit.json").write_text(json.dumps(CRASHED))
    second = both.start("b", SLEEP, fence=2)
    until(lambda: both.waits_for("b") == ["a"], "the second to wait for the first")
    assert stop(second) == 143


def test_failure_of_one_host_ends_the_other_at_once(both: TwoHosts) -> None:
    """Ranks of the other host could wait for the dead ones for half an hour."""
    deaf = [sys.executable, str(PROGRAMS / "launcher.py"), "deaf 600"]
    first = both.start("a", deaf)
    second = both.start("b", [sys.executable, "-c", "import time; time.sleep(1); raise SystemExit(3)"])
    assert second.wait(60) == 1
    assert first.wait(60) == 1
    assert (both.ending("a")["reason"], both.ending("a")["endedBy"]) == ("crashed", "b")
    assert both.ending("a")["rootCause"]["message"] == "the trainer on b failed"
    assert (both.ending("b")["code"], both.ending("b")["endedBy"]) == (3, None)
    assert find_by_environment("EVERSWIN_JOB", str(both.host("a").resolve())) == []


def test_finished_host_does_not_end_the_other(both: TwoHosts) -> None:
    first = both.start("a", [sys.executable, "-c", "import time; time.sleep(2)"])
    second = both.start("b", [sys.executable, "-c", ""])
    assert (second.wait(60), first.wait(60)) == (0, 0)
    assert [both.ending(name)["reason"] for name in HOSTS] == ["finished", "finished"]


def test_rank_may_wait_for_a_save_on_another_host(both: TwoHosts) -> None:
    program = "import os, time; from everswin_trainer.job.heartbeat import HeartbeatWriter, {0}; "
    program += "from everswin_trainer.job.folder import Job; "
    program += "HeartbeatWriter(Job.at(os.environ['EVERSWIN_JOB']), {1}).send({0}); time.sleep({2})"
    watched = ("--stall-seconds", "startup=20", "step=1", "saving=20")
    waits = both.start("a", [sys.executable, "-c", program.format("STEP", 1, 4)], switches=watched)
    saves = both.start("b", [sys.executable, "-c", program.format("SAVING", 0, 4)], switches=watched)
    assert (waits.wait(60), saves.wait(60)) == (0, 0)


def test_waiting_supervisor_exits_when_its_worker_dies(both: TwoHosts) -> None:
    command = f"import subprocess, sys, time; subprocess.Popen(sys.argv[1:]); time.sleep(600)  # {both.root}"
    ours = ["--job-dir", str(both.host("a")), "--run-dir", str(both.folder), "--attempt", "1", "--fence", "1"]
    gpus = ["--gpu-folder", str(both.root / "gpus-a"), "--device", "cpu"]
    hosts = ["--hosts", str(both.host("a")), str(both.host("b"))]
    supervise = [sys.executable, "-m", "everswin_trainer", "supervise", *ours, *gpus, *hosts, "--", *SLEEP]
    worker = subprocess.Popen([sys.executable, "-c", command, *supervise], env=environment())
    until(lambda: both.waits_for("a") == ["b"], "the supervisor to wait")
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    until(lambda: not holds_gpus(both, "a") and both.waits_for("a") == [], "the supervisor to leave")
    assert not both.runs("a")
