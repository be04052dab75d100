"""Reads the health of fake GPUs: a module `pynvml` stands in for NVML, because the tests run without a GPU."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from fake_gpus import uuid
from fake_nvml import FakeNvml, healthy

from conftest import environment
from contract import check_answer
from everswin_trainer.gpu.devices import Gpu
from everswin_trainer.gpu.lease import try_acquire
from everswin_trainer.gpu.queue import Ticket, guard
from everswin_trainer.gpu.xid import Xid, XidWatch, read_kernel_log
from everswin_trainer.job.folder import Job


@pytest.fixture
def nvml(tmp_path: Path) -> FakeNvml:
    return FakeNvml(tmp_path / "nvml")


def start(nvml: FakeNvml, *switches: str, **variables: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "everswin_trainer", "gpu-health", "--out", str(nvml.root / "health.json")]
    env = environment()
    env["PYTHONPATH"] = f"{nvml.root}:{env['PYTHONPATH']}"
    return subprocess.Popen([*command, *switches], env={**env, **variables}, stderr=subprocess.PIPE, text=True)


def read(nvml: FakeNvml, *switches: str, **variables: str) -> dict[str, Any]:
    process = start(nvml, *switches, **variables)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    return check_answer("gpu-health", nvml.root / "health.json")


def found(health: dict[str, Any], index: int = 0) -> list[str]:
    """Returns `verdict kind: message` of each finding of a GPU."""
    return [f"{one['verdict']} {one['kind']}: {one['message']}" for one in health["gpus"][index]["findings"]]


def test_a_healthy_gpu_has_facts_and_no_findings(nvml: FakeNvml) -> None:
    nvml.have(healthy(0), {"uuid": uuid(1), "name": "Old GPU"})
    health = read(nvml)
    assert health["problem"] is None
    assert [(gpu["uuid"], gpu["name"], gpu["verdict"]) for gpu in health["gpus"]] == [
        (uuid(0), "Test GPU", "ok"),
        (uuid(1), "Old GPU", "ok"),
    ]
    facts = health["gpus"][0]["facts"]
    assert (facts["utilization"], facts["temperature"], facts["volatileEcc"], facts["remappedRows"]) == (
        97,
        61,
        {"corrected": 3, "uncorrected": 0},
        2,
    )
    # A GPU that does not support a question is not at fault.
    assert health["gpus"][1]["facts"]["volatileEcc"] is None


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            {"reasons": 0x48},
            [
                "warning throttled: clocks are lowered: hardware slowdown",
                "warning throttled: clocks are lowered: thermal slowdown by the hardware",
            ],
        ),
        ({"reasons": 0x20}, ["warning throttled: clocks are lowered: thermal slowdown by the driver"]),
        ({"reasons": 0x80}, ["warning throttled: clocks are lowered: power brake"]),
        ({"temperature": 91}, ["warning hot: 91 °C, at or above the slowdown limit of 90 °C"]),
        ({"volatile": [0, 2]}, ["warning ecc: 2 uncorrectable memory error(s) since the driver was loaded"]),
        ({"rows": [0, 1, 1, 0]}, ["warning remap: a remapped row of memory takes effect after a reset only"]),
        ({"pages": 1}, ["warning remap: a retired page of memory takes effect after a reset only"]),
        ({"rows": [0, 1, 0, 1]}, ["unusable remap: a row of memory could not be remapped"]),
        ({"pcie": [8, 16, 4, 4]}, ["warning pcie: PCIe has 8 of 16 lanes"]),
        ({"pcie": [16, 16, 1, 4]}, ["warning pcie: PCIe runs at generation 1 of 4"]),
        ({"pcie": [16, 16, 1, 4], "reasons": 0x01}, []),
        ({"processes": [[1, 2048]]}, ["warning foreign: other programs use 2048 MiB (pid 1)"]),
        ({"processes": [[1, 1024]]}, []),
        ({"error": 15}, ["unusable lost: the GPU does not answer: GPU is lost"]),
        ({"error": 16}, ["unusable lost: the GPU does not answer: GPU requires restart"]),
        ({"error": 999}, ["unusable lost: the GPU does not answer: Unknown Error"]),
    ],
)
def test_a_fault_is_found_with_a_verdict(nvml: FakeNvml, change: dict[str, Any], expected: list[str]) -> None:
    nvml.have(healthy(0, **change), healthy(1))
    health = read(nvml)
    assert found(health) == expected
    verdicts = [text.split()[0] for text in expected] or ["ok"]
    assert (health["gpus"][0]["verdict"], health["gpus"][1]["verdict"]) == (verdicts[0], "ok")
    assert all(one["remedy"] for one in health["gpus"][0]["findings"])


def test_other_programs_may_use_as_much_memory_as_the_worker_allows(nvml: FakeNvml) -> None:
    nvml.have(healthy(0, processes=[[1, 2048]]))
    assert found(read(nvml, "--foreign-mib", "2048")) == []
    assert found(read(nvml, "--foreign-mib", "0")) == ["warning foreign: other programs use 2048 MiB (pid 1)"]


def test_a_gpu_that_is_no_longer_listed_is_unusable(nvml: FakeNvml) -> None:
    nvml.have(healthy(0))
    health = read(nvml, "--expect", uuid(0), uuid(3))
    assert [(gpu["uuid"], gpu["verdict"]) for gpu in health["gpus"]] == [(uuid(0), "ok"), (uuid(3), "unusable")]
    assert found(health, 1) == ["unusable lost: the driver no longer lists this GPU"]


def test_a_lost_gpu_is_named_by_the_uuid_that_is_missing(nvml: FakeNvml) -> None:
    nvml.have(healthy(0), healthy(1, error=15))
    assert [gpu["uuid"] for gpu in read(nvml, "--expect", uuid(0), uuid(1))["gpus"]] == [uuid(0), uuid(1)]
    assert [gpu["uuid"] for gpu in read(nvml)["gpus"]] == [uuid(0), "index 1"]


def test_a_lost_gpu_is_named_by_the_leases_of_the_machine(nvml: FakeNvml, tmp_path: Path) -> None:
    nvml.have(healthy(0), healthy(1, error=15))
    for index in range(2):
        (tmp_path / f"{uuid(index)}.lock").touch()
    assert [gpu["uuid"] for gpu in read(nvml, "--gpu-folder", str(tmp_path))["gpus"]] == [uuid(0), uuid(1)]
    # A GPU that was removed from the machine is not reported.
    (tmp_path / f"{uuid(2)}.lock").touch()
    nvml.have(healthy(0), healthy(1))
    assert [gpu["uuid"] for gpu in read(nvml, "--gpu-folder", str(tmp_path))["gpus"]] == [uuid(0), uuid(1)]


def test_an_xid_ends_the_wait_and_marks_its_gpu(nvml: FakeNvml) -> None:
    nvml.have(healthy(0), healthy(1), healthy(2))
    process = start(nvml, "--watch", uuid(0), uuid(1), "--seconds", "600")
    time.sleep(1)
    events = [{"uuid": uuid(2), "xid": 79}, {"uuid": uuid(1), "xid": 31}, {"uuid": uuid(1), "xid": 79}]
    nvml.have(healthy(0), healthy(1), healthy(2), events=events)
    assert process.wait(30) == 0
    health = check_answer("gpu-health", nvml.root / "health.json")
    assert found(health, 1) == [
        "warning xid: Xid 31: memory access fault of a kernel",
        "unusable xid: Xid 79: the GPU has fallen off the bus",
    ]
    assert [gpu["verdict"] for gpu in health["gpus"]] == ["ok", "unusable", "ok"]


@pytest.mark.parametrize("code", [9, 12])
def test_a_machine_without_nvidia_has_no_gpus_and_no_problem(nvml: FakeNvml, code: int) -> None:
    nvml.have(init=code)
    health = read(nvml)
    assert (health["problem"], health["gpus"]) == (None, [])


def test_a_driver_that_fails_is_a_problem(nvml: FakeNvml) -> None:
    nvml.have(init=999)
    assert read(nvml)["problem"] == "NVML failed: Unknown Error"
    # The driver was unloaded while a run used its GPUs.
    nvml.have(init=9)
    assert read(nvml, "--expect", uuid(0))["problem"] == "NVML failed: Driver Not Loaded"


def test_only_gpus_that_the_worker_may_use_are_read(nvml: FakeNvml) -> None:
    nvml.have(healthy(0), healthy(1), healthy(2))
    health = read(nvml, CUDA_VISIBLE_DEVICES=f"2,{uuid(0)}")
    assert [gpu["uuid"] for gpu in health["gpus"]] == [uuid(0), uuid(2)]


def test_the_real_library_finds_no_gpu_on_a_machine_without_one(tmp_path: Path) -> None:
    if os.path.exists("/proc/driver/nvidia"):
        pytest.skip("this machine has an NVIDIA driver")
    command = [sys.executable, "-m", "everswin_trainer", "gpu-health", "--out", str(tmp_path / "health.json")]
    subprocess.run(command, env=environment(), check=True)
    assert json.loads((tmp_path / "health.json").read_text())["gpus"] == []


def test_the_kernel_log_names_the_gpu_by_its_bus(tmp_path: Path) -> None:
    now = int(time.clock_gettime(time.CLOCK_MONOTONIC) * 1e6)
    log = tmp_path / "kmsg"
    log.write_text(
        f"4,812,{now},-;NVRM: Xid (PCI:0000:41:00): 79, pid=8123, name=python, GPU has fallen off the bus.\n"
    )
    assert list(read_kernel_log(str(log))) == [Xid("0000:41:00", 79)]
    log.write_text("4,812,17,-;NVRM: Xid (PCI:0000:41:00): 79, pid=8123\n")
    assert list(read_kernel_log(str(log))) == ([] if now > 200e6 else [Xid("0000:41:00", 79)])
    assert list(read_kernel_log(str(tmp_path / "missing"))) == []
    watch = XidWatch(None)
    watch._seen.add(Xid("0000:41:00", 79))
    assert [xid.code for xid in watch.of(uuid(0), "00000000:41:00.0")] == [79]
    assert watch.of(uuid(1), "00000000:42:00.0") == []


def test_a_reading_names_the_runs_that_hold_gpus_and_those_that_wait(nvml: FakeNvml, tmp_path: Path) -> None:
    nvml.have(healthy(0), healthy(1))
    folder, job = tmp_path / "leases", Job.at(tmp_path / "holder" / "train")
    folder.mkdir()
    assert [gpu["heldBy"] for gpu in read(nvml, "--gpu-folder", str(folder))["gpus"]] == [None, None]
    with guard(folder):
        lease, _ = try_acquire(folder, [Gpu(uuid(1), 1, "Test GPU", 3)], 1, job)
        ticket = Ticket.issue(folder, 3, 1.0, {"run": "next", "gpus": 2, "of": [uuid(0), uuid(1)]})
    assert lease is not None
    lease.write_record({"v": 1, "job": str(job.folder), "run": "holder"})
    health = read(nvml, "--gpu-folder", str(folder))
    assert ([gpu["heldBy"] for gpu in health["gpus"]], health["waiting"]) == ([None, "holder"], ["next"])
    # A run of another user may have the same name, so the job decides.
    health = read(nvml, "--gpu-folder", str(folder), "--job-dir", str(job.folder))
    assert [gpu["heldBy"] for gpu in health["gpus"]] == [None, None]
    lease.release()
    ticket.leave()
    health = read(nvml, "--gpu-folder", str(folder))
    assert ([gpu["heldBy"] for gpu in health["gpus"]], health["waiting"]) == ([None, None], [])


def test_processes_of_a_run_of_another_user_are_not_foreign(nvml: FakeNvml, tmp_path: Path) -> None:
    nvml.have(healthy(0, processes=[[1, 2048]]), healthy(1, processes=[[1, 2048]]))
    (tmp_path / "leases").mkdir()
    with guard(tmp_path / "leases"):
        lease, _ = try_acquire(tmp_path / "leases", [Gpu(uuid(0), 0, "Test GPU", 3)], 1, Job.at(tmp_path / "job"))
    assert lease is not None
    lease.write_record({"v": 1, "job": "/home/alice/runs/demo/train", "run": "demo", "user": "alice"})
    health = read(nvml, "--gpu-folder", str(tmp_path / "leases"))
    assert (found(health, 0), found(health, 1)) == ([], ["warning foreign: other programs use 2048 MiB (pid 1)"])
    lease.release()
