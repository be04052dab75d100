import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_gpus import FakeGpus, uuid
from fake_nvml import FakeNvml, healthy

from conftest import PROGRAMS, JobFolder, environment, until
from everswin_trainer.gpu.devices import Gpu
from everswin_trainer.gpu.lease import try_acquire
from everswin_trainer.gpu.queue import guard
from everswin_trainer.gpu.wait import GpuRequest, _GpuWait
from everswin_trainer.job.folder import Attempt, Job
from everswin_trainer.system.process_tree import kill_processes
from everswin_trainer.system.users import current_user

ENDLESS = ("--steps-per-epoch", "100000")
# The documented limit from the end of one holder to the lease of the next.
SOON = 5.0


class Machine:
    """Jobs that request the GPUs of one machine."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.gpus = FakeGpus(root)
        self.jobs: list[JobFolder] = []
        self.supervisors: list[subprocess.Popen[str]] = []

    def start(
        self,
        name: str,
        program: Callable[[JobFolder], list[str]],
        count: int = 1,
        fence: int = 1,
        *more: str,
        variables: dict[str, str] | None = None,
    ) -> tuple[JobFolder, subprocess.Popen[str]]:
        (self.root / name).mkdir(exist_ok=True)
        job = JobFolder(self.root / name)
        ours = ["--job-dir", str(job.folder), "--attempt", str(fence), "--fence", str(fence), "--grace-seconds", "5"]
        ours += ["--gpu-folder", str(self.gpus.folder), "--gpus", str(count), *more]
        supervisor = subprocess.Popen(
            [sys.executable, "-m", "everswin_trainer", "supervise", *ours, "--", *program(job)],
            env={**environment(), "PATH": self.gpus.path, **(variables or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.jobs.append(job)
        self.supervisors.append(supervisor)
        return job, supervisor

    def clean(self) -> None:
        kill_processes([supervisor.pid for supervisor in self.supervisors if supervisor.poll() is None])
        for job in self.jobs:
            kill_processes(job.living())


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    machine = Machine(tmp_path)
    machine.gpus.have(2)
    yield machine
    machine.clean()


def training(*switches: str) -> Callable[[JobFolder], list[str]]:
    return lambda job: job.fake_training(*switches)


def endless() -> Callable[[JobFolder], list[str]]:
    return training(*ENDLESS)


def shows_gpus(job: JobFolder) -> list[str]:
    # Renamed, because a reader could see the file before its content.
    seen = job.root / "seen"
    return ["sh", "-c", f'echo "$CUDA_VISIBLE_DEVICES" > {seen}.part; mv {seen}.part {seen}; exec sleep 600']


def waiting(job: JobFolder) -> dict[str, Any]:
    path = job.folder / "waiting.json"
    return until(lambda: path.exists() and json.loads(path.read_text()), f"{job.root.name} to wait")


def owner(job: JobFolder) -> dict[str, Any] | None:
    path = job.folder / "owner.json"
    return json.loads(path.read_text()) if path.exists() else None


def trains(job: JobFolder, fence: int = 1) -> dict[str, Any]:
    def starts() -> dict[str, Any] | None:
        found = owner(job)
        return found if found and found["fence"] == fence and job.living() else None

    return until(starts, f"{job.root.name} to train")


def test_program_sees_only_the_leased_gpus(machine: Machine) -> None:
    first, _ = machine.start("first", shows_gpus)
    second, _ = machine.start("second", shows_gpus)
    seen = {
        until((job.root / "seen").exists, "the program") and (job.root / "seen").read_text().strip()
        for job in (first, second)
    }
    assert seen == {uuid(0), uuid(1)}
    assert {*trains(first)["gpus"], *trains(second)["gpus"]} == seen


def test_job_waits_and_reports_the_holder_when_gpus_are_leased(machine: Machine) -> None:
    first, _ = machine.start("first", endless(), 2)
    pid = trains(first)["pid"]
    second, _ = machine.start("second", endless(), 2)
    state = waiting(second)
    assert (state["v"], state["fence"], state["gpus"], state["position"], state["ahead"]) == (1, 1, 2, 1, [])
    assert [(holder["gpu"], holder["run"], holder["pid"], holder["orphaned"]) for holder in state["holders"]] == [
        (uuid(0), "first", pid, False),
        (uuid(1), "first", pid, False),
    ]
    assert {holder["user"] for holder in state["holders"]} == {current_user()}
    assert owner(second) is None
    assert not second.living()


def test_wait_is_reported_when_the_clock_is_set_back(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    first, _ = machine.start("first", endless(), 2)
    trains(first)
    monkeypatch.setenv("PATH", machine.gpus.path)
    job = Job(machine.root / "late", machine.root / "late")
    job.folder.mkdir()
    request = GpuRequest(machine.gpus.folder, "cuda", 2, 3, time.time(), 1024, (), os.getppid())
    wait = _GpuWait(job, Attempt(1, 1), request)
    monkeypatch.setattr(time, "time", lambda: 0.0)
    until(lambda: wait.poll() is None and job.waiting.exists(), "a report of the wait")
    wait.end()


def kill_supervisor(job: JobFolder, supervisor: subprocess.Popen[str]) -> None:
    supervisor.kill()


def kill_all(job: JobFolder, supervisor: subprocess.Popen[str]) -> None:
    kill_processes([supervisor.pid, *job.living()])


def kill_rank(job: JobFolder, supervisor: subprocess.Popen[str]) -> None:
    kill_processes(job.living())


def stop(job: JobFolder, supervisor: subprocess.Popen[str]) -> None:
    supervisor.terminate()


@pytest.mark.parametrize("end", [kill_supervisor, kill_all, kill_rank, stop])
def test_next_job_starts_when_no_process_of_the_first_lives(machine: Machine, end: Callable[..., None]) -> None:
    first, supervisor = machine.start("first", endless(), 2)
    trains(first)
    second, _ = machine.start("second", endless(), 2)
    waiting(second)
    end(first, supervisor)
    while first.living():
        # Checked in this order, so that both are alive at the same time if both are found.
        assert not (second.living() and first.living()), "both jobs have processes"
        time.sleep(0.002)
    free_at = time.monotonic()
    trains(second)
    assert time.monotonic() - free_at < SOON
    assert not (second.folder / "waiting.json").exists()


def test_surviving_ranks_keep_their_gpus(machine: Machine) -> None:
    # torchrun closes every descriptor above 2, and these ranks ignore SIGTERM.
    ranks = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        "--max-restarts",
        "0",
    ]
    first, supervisor = machine.start("first", lambda job: [*ranks, str(PROGRAMS / "stubborn.py"), str(job.root)], 2)
    until(lambda: len(list(first.root.glob("rank-[01]"))) == 2, "two ranks")
    pids = [int(path.read_text()) for path in first.root.glob("rank-[01]")]
    second, _ = machine.start("second", endless(), 1)
    waiting(second)
    kill_processes([supervisor.pid, *(pid for pid in first.living() if pid not in pids)])
    until(lambda: any(holder["orphaned"] for holder in waiting(second)["holders"]), "the survivors to be named")
    kill_processes(pids[:1])
    time.sleep(0.6)
    assert not second.living()
    kill_processes(pids[1:])
    free_at = time.monotonic()
    trains(second)
    assert time.monotonic() - free_at < SOON


def test_restarted_job_gets_its_gpus_back(machine: Machine) -> None:
    first, supervisor = machine.start("first", endless(), 2)
    trains(first)
    supervisor.kill()
    first, _ = machine.start("first", endless(), 2, 2)
    assert trains(first, 2)["gpus"] == [uuid(0), uuid(1)]


def test_restarted_job_does_not_block_its_former_gpus(machine: Machine) -> None:
    first, supervisor = machine.start("first", endless(), 2)
    trains(first)
    second, _ = machine.start("second", endless(), 2)
    waiting(second)
    kill_all(first, supervisor)
    supervisor.wait()
    first, _ = machine.start("first", endless(), 2, 2)
    trains(second)
    until(
        lambda: [holder["run"] for holder in waiting(first)["holders"]] == ["second", "second"],
        "it to wait for the second",
    )


def test_a_job_whose_folder_cannot_be_read_does_not_end_another_one(machine: Machine) -> None:
    first, supervisor = machine.start("first", endless(), 2)
    trains(first)
    kill_all(first, supervisor)
    supervisor.wait()
    (first.folder / "lock").unlink()
    (first.folder / "lock").mkdir()
    second, _ = machine.start("second", endless(), 2)
    trains(second)


def test_queue_sorts_by_priority_then_time_without_overtaking(machine: Machine) -> None:
    holder, supervisor = machine.start("holder", endless(), 1)
    trains(holder)
    big, _ = machine.start("big", endless(), 2, 1, "--gpu-since", "100")
    assert waiting(big)["position"] == 1
    small, small_supervisor = machine.start("small", endless(), 1, 1, "--gpu-since", "200")
    assert (waiting(small)["position"], waiting(small)["ahead"]) == (
        2,
        [{"run": "big", "user": current_user(), "gpus": 2}],
    )
    early, _ = machine.start("early", endless(), 2, 1, "--gpu-since", "50")
    assert waiting(early)["position"] == 1
    urgent, _ = machine.start("urgent", training(), 2, 1, "--gpu-since", "300", "--gpu-priority", "2")
    assert waiting(urgent)["position"] == 1
    until(lambda: waiting(small)["position"] == 4, "the fourth place")
    small_supervisor.kill()
    supervisor.terminate()
    starts = []
    for job in (urgent, early):
        starts.append(trains(job)["startedAt"])
    assert starts == sorted(starts)
    until(lambda: waiting(big)["position"] == 1, "the first place")


def test_job_waits_for_processes_without_a_lease(machine: Machine) -> None:
    foreign = {"gpu_uuid": uuid(1), "pid": 4711, "process_name": "ollama", "used_gpu_memory": 9000}
    machine.gpus.have(2, {0: 900, 1: 9010}, [foreign])
    job, _ = machine.start("job", endless(), 2)
    state = waiting(job)
    assert state["foreign"] == [{"gpu": uuid(1), "users": ["ollama (pid 4711, 9000 MiB)"]}]
    other, _ = machine.start("other", endless(), 1, 1, "--gpu-priority", "1")
    assert trains(other)["gpus"] == [uuid(0)]
    machine.gpus.have(2, {0: 20000})
    os.kill(trains(other)["pid"], signal.SIGTERM)
    until(lambda: [gpu["gpu"] for gpu in waiting(job)["foreign"]] == [uuid(0)], "the other GPU to be in foreign use")
    machine.gpus.have(2)
    trains(job)


def test_request_is_refused_when_the_machine_has_fewer_gpus(machine: Machine) -> None:
    job, supervisor = machine.start("job", endless(), 3)
    assert supervisor.wait(60) == 69
    refusal = json.loads(supervisor.communicate()[0])
    assert refusal["reason"] == "not-enough-gpus"
    assert "3 GPUs requested, 2 available" in refusal["message"]
    assert owner(job) is None


def test_stop_during_the_wait_is_a_preemption(machine: Machine) -> None:
    first, _ = machine.start("first", endless(), 2)
    trains(first)
    second, supervisor = machine.start("second", endless(), 2)
    waiting(second)
    supervisor.terminate()
    assert supervisor.wait(60) == 143
    assert (second.exit()["reason"], second.exit()["stopRequested"], second.exit()["fence"]) == ("preempted", True, 1)
    assert not second.events()


def test_wait_ends_with_its_parent(machine: Machine) -> None:
    first, _ = machine.start("first", endless(), 2)
    trains(first)
    second, supervisor = machine.start("second", endless(), 2, 1, "--parent-pid", "1")
    assert supervisor.wait(60) == 75
    assert owner(second) is None


def test_cpu_jobs_run_one_at_a_time(machine: Machine) -> None:
    first, supervisor = machine.start("first", endless(), 2, 1, "--device", "cpu")
    assert trains(first)["gpus"] == ["cpu"]
    second, _ = machine.start("second", endless(), 1, 1, "--device", "cpu")
    assert [holder["gpu"] for holder in waiting(second)["holders"]] == ["cpu"]
    supervisor.terminate()
    trains(second)


def test_lease_has_one_holder_under_contention(tmp_path: Path) -> None:
    """Four processes acquire and release one GPU in a loop; two holders at once would fail to create a file."""
    (tmp_path / "gpus").mkdir()
    program = f"""
import os, sys
from pathlib import Path
from everswin_trainer.gpu.lease import try_acquire
from everswin_trainer.gpu.devices import Gpu
from everswin_trainer.gpu.queue import guard
from everswin_trainer.gpu.wait import GpuRequest, _GpuWait
from everswin_trainer.job.folder import Attempt, Job
folder, inside = Path({str(tmp_path / "gpus")!r}), Path({str(tmp_path / "inside")!r})
job, turns = Job.at(sys.argv[1]), 0
while turns < 100:
    with guard(folder):
        lease, _ = try_acquire(folder, [Gpu("GPU-1", 0, "x", 0)], 1, job)
    if lease is None:
        continue
    os.close(os.open(inside, os.O_CREAT | os.O_EXCL))
    turns += 1
    inside.unlink()
    lease.release()
"""
    racers = [
        subprocess.Popen([sys.executable, "-c", program, str(tmp_path / f"job-{i}")], env=environment())
        for i in range(4)
    ]
    assert [racer.wait(60) for racer in racers] == [0, 0, 0, 0]
    with guard(tmp_path / "gpus"):
        lease, _ = try_acquire(tmp_path / "gpus", [Gpu("GPU-1", 0, "x", 0)], 1, Job.at(tmp_path / "job"))
    assert lease is not None
    lease.release()


def test_a_job_gets_the_other_gpus_when_a_lost_one_makes_nvidia_smi_fail(machine: Machine, tmp_path: Path) -> None:
    nvml = FakeNvml(tmp_path / "nvml")
    nvml.have(healthy(0), healthy(1, error=15), healthy(2))
    (machine.root / "state.json").write_text(json.dumps({"fails": "Unable to determine the device handle for GPU"}))
    variables = {"PYTHONPATH": f"{nvml.root}:{environment()['PYTHONPATH']}"}
    job, supervisor = machine.start("one", JobFolder.fake_training, 2, variables=variables)
    assert supervisor.wait(60) == 0
    assert json.loads((job.folder / "owner.json").read_text())["gpus"] == [uuid(0), uuid(2)]


def test_a_job_does_not_lease_a_gpu_that_it_must_not_use(machine: Machine) -> None:
    machine.gpus.have(3)
    job, supervisor = machine.start("one", JobFolder.fake_training, 2, 1, "--without-gpus", uuid(0))
    assert supervisor.wait(60) == 0
    assert json.loads((job.folder / "owner.json").read_text())["gpus"] == [uuid(1), uuid(2)]
    _, refused = machine.start("two", JobFolder.fake_training, 3, 1, "--without-gpus", uuid(0))
    assert refused.wait(60) == 69
