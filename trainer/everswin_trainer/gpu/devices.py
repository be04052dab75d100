"""Lists the GPUs of this machine and the processes that use them, as reported by `nvidia-smi`."""

import os
import re
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from everswin_trainer.system.users import user_name

# Without persistence mode the driver takes seconds to load.
TIMEOUT_SECONDS = 20
# Other programs may use this much memory of a GPU that counts as free, unless the worker sets another limit.
FOREIGN_MIB = 1024
# UNLISTED stands for all GPUs where nvidia-smi is missing, CPU for a machine whose GPUs are not used.
UNLISTED, CPU = "gpus", "cpu"


class GpusUnknown(Exception):
    """Raised when nvidia-smi is installed but fails."""


@dataclass(frozen=True)
class Gpu:
    """One GPU. `used_mib` is its memory in use by any process; `uuid` is safe as a file name."""

    uuid: str
    index: int
    name: str
    used_mib: int

    @property
    def is_real(self) -> bool:
        return self.uuid not in (UNLISTED, CPU)


def list_gpus() -> list[Gpu] | None:
    """Returns all GPUs in the order of nvidia-smi; None without nvidia-smi. Raises GpusUnknown."""
    try:
        rows = _query("--query-gpu=uuid,index,memory.used,name")
    except GpusUnknown:
        # One lost GPU makes nvidia-smi fail for all; NVML still lists the others.
        if others := _list_by_nvml():
            return others
        raise
    if rows is None:
        return None
    return [
        Gpu(row[0], _number(row[1]), ", ".join(row[3:]), _number(row[2]))
        for row in rows
        if len(row) >= 4 and re.fullmatch(r"[A-Za-z]+-[0-9A-Za-z-]+", row[0])
    ]


def visible_gpus(gpus: Iterable[Gpu]) -> list[Gpu]:
    """Returns the GPUs that CUDA_VISIBLE_DEVICES allows."""
    return [gpu for gpu in gpus if is_visible(gpu.uuid, gpu.index)]


def is_visible(uuid: str, index: int | None) -> bool:
    """Returns whether CUDA_VISIBLE_DEVICES allows a GPU, by nvidia-smi index or by UUID prefix."""
    allowed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if allowed is None:
        return True
    names = [name.strip() for name in allowed.split(",") if name.strip()]
    return any(name == str(index) or uuid.startswith(name) for name in names)


def list_gpu_processes(uuid: str) -> list[str]:
    """Returns one line for each process on a GPU; empty if nvidia-smi lists none. Raises GpusUnknown."""
    rows = _query("--query-compute-apps=gpu_uuid,pid,used_gpu_memory,process_name") or []
    return [
        f"{', '.join(row[3:])} (pid {row[1]}, {row[2]} MiB{_format_user(row[1])})"
        for row in rows
        if len(row) >= 4 and row[0] == uuid
    ]


def _format_user(pid: str) -> str:
    try:
        return f", user {user_name(os.stat(f'/proc/{pid}').st_uid)}"
    except OSError:
        # The process has ended, or it is hidden: in another container, or by hidepid.
        return ""


def nvml_text(value: Any) -> Any:
    """Returns the text that NVML gives as text or as bytes, depending on its version. None stays None."""
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def _list_by_nvml() -> list[Gpu]:
    """Returns the GPUs that answer; empty without NVML."""
    try:
        import pynvml

        pynvml.nvmlInit()
    except Exception:
        return []
    gpus = []
    for index in range(pynvml.nvmlDeviceGetCount()):
        with suppress(pynvml.NVMLError):
            handle = pynvml.nvmlDeviceGetHandleByIndex(index)
            texts = (pynvml.nvmlDeviceGetUUID(handle), pynvml.nvmlDeviceGetName(handle))
            uuid, name = map(nvml_text, texts)
            gpus.append(Gpu(uuid, index, name, pynvml.nvmlDeviceGetMemoryInfo(handle).used >> 20))
    pynvml.nvmlShutdown()
    return gpus


def _query(query: str) -> list[list[str]] | None:
    command = ["nvidia-smi", query, "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
        )
    except FileNotFoundError:
        return None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise GpusUnknown(f"nvidia-smi did not answer: {error}") from error
    if done.returncode != 0:
        raise GpusUnknown(f"nvidia-smi failed: {(done.stderr or done.stdout).strip()[:500]}")
    return [[field.strip() for field in line.split(",")] for line in done.stdout.splitlines() if line.strip()]


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0
