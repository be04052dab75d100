"""Reads the health of all GPUs: `python -m everswin_trainer gpu-health --out FILE`.

A worker runs this in a process of its own with a timeout, because a broken driver may never answer. NVML reads
everything without root. Xid errors arrive as NVML events while the command waits (`--watch`), and are also read from
the kernel log where this user may read it.
"""

import argparse
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from everswin_trainer.gpu.devices import FOREIGN_MIB, is_visible, nvml_text
from everswin_trainer.gpu.lease import find_holders, leased_uuids
from everswin_trainer.gpu.queue import guard, waiting_requests
from everswin_trainer.gpu.xid import XidWatch
from everswin_trainer.job.folder import JOB_ENV, Job
from everswin_trainer.system.atomic_file import write_json
from everswin_trainer.system.process_tree import read_environment
from everswin_trainer.system.users import current_user

MEBIBYTE = 1 << 20

OK, WARNING, UNUSABLE = "ok", "warning", "unusable"
_ORDER = (OK, WARNING, UNUSABLE)

RESET = "Reset the GPU (nvidia-smi --gpu-reset) or restart the machine."
REPLACE = "Restart the machine. If it returns, replace the GPU or its link."
COOL = "Check fans, airflow and dust."
POWER = "Check the power supply and its cables."
# Reasons for which the driver lowers the clocks, except those of normal operation: idle, power cap, user settings.
SLOWDOWNS = {
    0x08: ("hardware slowdown", f"{COOL} {POWER}"),
    0x20: ("thermal slowdown by the driver", COOL),
    0x40: ("thermal slowdown by the hardware", COOL),
    0x80: ("power brake", POWER),
}
IDLE = 0x01


@dataclass
class Health:
    """What one GPU reports. `uuid` is `index N` for a GPU that does not tell it."""

    uuid: str
    index: int | None
    name: str | None
    facts: dict[str, Any] = field(default_factory=dict)
    findings: list[dict[str, str]] = field(default_factory=list)
    # Run of another job that holds the GPU.
    held_by: str | None = None

    @property
    def is_unnamed(self) -> bool:
        return self.uuid == f"index {self.index}"

    def find(self, kind: str, verdict: str, message: str, remedy: str) -> None:
        self.findings.append({"kind": kind, "verdict": verdict, "message": message, "remedy": remedy})

    def set_holder(self, record: dict[str, Any] | None) -> None:
        """Records another job that holds the GPU; `record` is the content of its lease."""
        if record is None:
            return
        self.held_by = str(record.get("run") or "?")
        if record.get("user") != current_user():
            # The environment of another user's processes is secret, so they were taken for other programs.
            self.findings = [finding for finding in self.findings if finding["kind"] != "foreign"]

    def report(self) -> dict[str, Any]:
        verdict = max((finding["verdict"] for finding in self.findings), key=_ORDER.index, default=OK)
        identity = {"uuid": self.uuid, "index": self.index, "name": self.name, "heldBy": self.held_by}
        return {**identity, "verdict": verdict, "findings": self.findings, "facts": self.facts}


class GpuLost(Exception):
    """Raised when a GPU does not answer."""


def main(argv: list[str]) -> int:
    """Writes {v, at, problem, gpus, waiting}; without an NVIDIA driver, `gpus` is empty and `problem` is null."""
    parser = argparse.ArgumentParser(prog="everswin_trainer gpu-health")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--gpu-folder", type=Path, help="folder of the leases of this machine")
    parser.add_argument("--job-dir", type=Path, help="job that asks: a GPU that it holds counts as free")
    parser.add_argument("--expect", nargs="*", default=[], metavar="UUID", help="GPUs that must be there")
    parser.add_argument("--watch", nargs="*", default=[], metavar="UUID", help="GPUs whose Xid errors are awaited")
    parser.add_argument("--seconds", type=float, default=0, help="how long they are awaited before the others are read")
    parser.add_argument("--foreign-mib", type=int, default=FOREIGN_MIB, help="memory that other programs may use")
    arguments = parser.parse_args(argv)
    problem, gpus = read_health(arguments.expect, arguments.watch, arguments.seconds, arguments.foreign_mib)
    waiting: list[str] = []
    if arguments.gpu_folder is not None and arguments.gpu_folder.exists():
        name_lost(gpus, leased_uuids(arguments.gpu_folder))
        job = None if arguments.job_dir is None else Job.at(arguments.job_dir)
        with guard(arguments.gpu_folder):
            waiting = [request["run"] for request in waiting_requests(arguments.gpu_folder)]
            holders = {holder.gpu.uuid: holder.record for holder in find_holders(arguments.gpu_folder, job)}
        for gpu in gpus:
            gpu.set_holder(holders.get(gpu.uuid))
    reports = [gpu.report() for gpu in gpus]
    write_json(arguments.out, {"v": 1, "at": time.time(), "problem": problem, "gpus": reports, "waiting": waiting})
    return 0


def read_health(
    expect: Iterable[str], watch: list[str], seconds: float, foreign_mib: int
) -> tuple[str | None, list[Health]]:
    """Returns what prevents a reading, and the health of each visible GPU and of each expected one that is missing."""
    try:
        import pynvml
    except ImportError:
        return None, []
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        absent = (pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, pynvml.NVML_ERROR_DRIVER_NOT_LOADED)
        return (None if error.value in absent and not expect else f"NVML failed: {error}"), []
    try:
        errors = XidWatch(pynvml).wait(watch, seconds)
        gpus = [_read(pynvml, index, foreign_mib) for index in range(pynvml.nvmlDeviceGetCount())]
    except pynvml.NVMLError as error:
        return f"NVML failed: {error}", []
    finally:
        pynvml.nvmlShutdown()
    for gpu in gpus:
        for xid in errors.of(gpu.uuid, gpu.facts.get("bus")):
            gpu.find("xid", UNUSABLE if xid.is_fatal else WARNING, xid.message, RESET if xid.is_fatal else xid.remedy)
    missing = [Health(uuid, None, None) for uuid in name_lost(gpus, expect)]
    for gpu in missing:
        gpu.find("lost", UNUSABLE, "the driver no longer lists this GPU", REPLACE)
    return None, [gpu for gpu in gpus if is_visible(gpu.uuid, gpu.index)] + missing


def name_lost(gpus: list[Health], known: Iterable[str]) -> list[str]:
    """Gives the UUIDs that are missing to the GPUs that do not tell theirs; returns those that are left over."""
    listed = {gpu.uuid for gpu in gpus}
    missing = [uuid for uuid in known if uuid not in listed]
    for gpu in gpus:
        if gpu.is_unnamed and missing:
            gpu.uuid = missing.pop(0)
    return missing


def _read(nvml: Any, index: int, foreign_mib: int) -> Health:
    gpu = Health(f"index {index}", index, None)
    try:
        handle = _query(nvml, nvml.nvmlDeviceGetHandleByIndex, index)
        gpu.uuid = nvml_text(_query(nvml, nvml.nvmlDeviceGetUUID, handle)) or gpu.uuid
        gpu.name = nvml_text(_query(nvml, nvml.nvmlDeviceGetName, handle))
        bus = _query(nvml, nvml.nvmlDeviceGetPciInfo, handle)
        gpu.facts["bus"] = nvml_text(bus.busId) if bus else None
        for part in (_read_utilization, _read_heat, _read_memory, _read_memory_errors, _read_link):
            part(nvml, handle, gpu)
        _read_processes(nvml, handle, gpu, foreign_mib)
    except GpuLost as lost:
        gpu.find("lost", UNUSABLE, f"the GPU does not answer: {lost}", REPLACE)
    return gpu


def _read_utilization(nvml: Any, handle: Any, gpu: Health) -> None:
    rates = _query(nvml, nvml.nvmlDeviceGetUtilizationRates, handle)
    gpu.facts["utilization"] = rates and rates.gpu


def _read_heat(nvml: Any, handle: Any, gpu: Health) -> None:
    temperature = _query(nvml, nvml.nvmlDeviceGetTemperature, handle, nvml.NVML_TEMPERATURE_GPU)
    limit = _query(nvml, nvml.nvmlDeviceGetTemperatureThreshold, handle, nvml.NVML_TEMPERATURE_THRESHOLD_SLOWDOWN)
    reasons = _query(nvml, nvml.nvmlDeviceGetCurrentClocksEventReasons, handle)
    if reasons is None:
        # Its name until driver 535.
        reasons = _query(nvml, nvml.nvmlDeviceGetCurrentClocksThrottleReasons, handle)
    slowdowns = [text for bit, text in SLOWDOWNS.items() if (reasons or 0) & bit]
    gpu.facts |= {
        "temperature": temperature,
        "slowdowns": [name for name, _ in slowdowns],
        "idle": None if reasons is None else bool(reasons & IDLE),
    }
    for name, remedy in slowdowns:
        gpu.find("throttled", WARNING, f"clocks are lowered: {name}", remedy)
    if temperature is not None and limit is not None and temperature >= limit:
        gpu.find("hot", WARNING, f"{temperature} °C, at or above the slowdown limit of {limit} °C", COOL)


def _read_memory(nvml: Any, handle: Any, gpu: Health) -> None:
    memory = _query(nvml, nvml.nvmlDeviceGetMemoryInfo, handle)
    gpu.facts["memory"] = memory and {"usedBytes": memory.used, "totalBytes": memory.total}


def _read_memory_errors(nvml: Any, handle: Any, gpu: Health) -> None:
    for name, counter in (("volatile", nvml.NVML_VOLATILE_ECC), ("aggregate", nvml.NVML_AGGREGATE_ECC)):
        kinds = (nvml.NVML_MEMORY_ERROR_TYPE_CORRECTED, nvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED)
        counts = [_query(nvml, nvml.nvmlDeviceGetTotalEccErrors, handle, kind, counter) for kind in kinds]
        gpu.facts[f"{name}Ecc"] = None if None in counts else {"corrected": counts[0], "uncorrected": counts[1]}
    if (gpu.facts["volatileEcc"] or {}).get("uncorrected"):
        count = gpu.facts["volatileEcc"]["uncorrected"]
        gpu.find("ecc", WARNING, f"{count} uncorrectable memory error(s) since the driver was loaded", RESET)
    rows = _query(nvml, nvml.nvmlDeviceGetRemappedRows, handle)
    pages = _query(nvml, nvml.nvmlDeviceGetRetiredPagesPendingStatus, handle)
    gpu.facts["remappedRows"] = None if rows is None else rows[0] + rows[1]
    if rows is not None and rows[3]:
        gpu.find("remap", UNUSABLE, "a row of memory could not be remapped", "Replace the GPU.")
    if (rows is not None and rows[2]) or pages:
        what = "a remapped row" if rows is not None and rows[2] else "a retired page"
        gpu.find("remap", WARNING, f"{what} of memory takes effect after a reset only", RESET)


def _read_link(nvml: Any, handle: Any, gpu: Health) -> None:
    width, max_width, generation, max_generation = (
        _query(nvml, query, handle)
        for query in (
            nvml.nvmlDeviceGetCurrPcieLinkWidth,
            nvml.nvmlDeviceGetMaxPcieLinkWidth,
            nvml.nvmlDeviceGetCurrPcieLinkGeneration,
            nvml.nvmlDeviceGetMaxPcieLinkGeneration,
        )
    )
    gpu.facts["pcie"] = {
        "width": width,
        "maxWidth": max_width,
        "generation": generation,
        "maxGeneration": max_generation,
    }
    remedy = "Reseat the GPU or its riser; data reaches it more slowly."
    if width and max_width and width < max_width:
        gpu.find("pcie", WARNING, f"PCIe has {width} of {max_width} lanes", remedy)
    # An idle GPU lowers the generation to save power.
    if generation and max_generation and generation < max_generation and gpu.facts["idle"] is False:
        gpu.find("pcie", WARNING, f"PCIe runs at generation {generation} of {max_generation}", remedy)


def _read_processes(nvml: Any, handle: Any, gpu: Health, foreign_mib: int) -> None:
    processes = _query(nvml, nvml.nvmlDeviceGetComputeRunningProcesses, handle) or []
    foreign = [one for one in processes if JOB_ENV not in read_environment(one.pid)]
    used = sum(one.usedGpuMemory or 0 for one in foreign) // MEBIBYTE
    gpu.facts["foreignMib"] = used
    if used > foreign_mib:
        pids = ", ".join(str(one.pid) for one in foreign)
        gpu.find("foreign", WARNING, f"other programs use {used} MiB (pid {pids})", "End them, or wait for them.")


def _query(nvml: Any, function: Any, *arguments: Any) -> Any:
    """Returns what the GPU tells; None if this GPU or driver does not support the question. Raises GpuLost."""
    try:
        return function(*arguments)
    except nvml.NVMLError as error:
        if error.value in (nvml.NVML_ERROR_GPU_IS_LOST, nvml.NVML_ERROR_RESET_REQUIRED, nvml.NVML_ERROR_UNKNOWN):
            raise GpuLost(str(error)) from error
        return None
