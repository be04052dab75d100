"""The GPUs of this machine as `nvidia-smi` tells of them, and who holds their memory."""

import os
import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass

# A driver that nobody keeps loaded takes seconds to answer.
TIMEOUT_SECONDS = 20
# Stands for all GPUs where nvidia-smi is not there to tell one from another, and for the machine where none is used.
UNLISTED, CPU = "gpus", "cpu"


class GpusUnknown(Exception):
    """nvidia-smi is there but does not answer."""


@dataclass(frozen=True)
class Gpu:
    """One GPU. `used` is MiB of its memory, by anybody; `uuid` is also a plain file name."""

    uuid: str
    index: int
    name: str
    used: int

    @property
    def is_real(self) -> bool:
        return self.uuid not in (UNLISTED, CPU)


def list_gpus() -> list[Gpu] | None:
    """Every GPU in nvidia-smi's order; None without nvidia-smi. Raises GpusUnknown."""
    rows = _query("--query-gpu=uuid,index,memory.used,name")
    if rows is None:
        return None
    return [
        Gpu(row[0], _number(row[1]), ", ".join(row[3:]), _number(row[2]))
        for row in rows
        if len(row) >= 4 and re.fullmatch(r"[A-Za-z]+-[0-9A-Za-z-]+", row[0])
    ]


def visible(gpus: Iterable[Gpu]) -> list[Gpu]:
    """Those that CUDA_VISIBLE_DEVICES leaves us, by index (in nvidia-smi's order) or by the beginning of a UUID."""
    wanted = os.environ.get("CUDA_VISIBLE_DEVICES")
    if wanted is None:
        return list(gpus)
    names = [name.strip() for name in wanted.split(",") if name.strip()]
    return [gpu for gpu in gpus if any(name == str(gpu.index) or gpu.uuid.startswith(name) for name in names)]


def users(uuid: str) -> list[str]:
    """Who computes on a GPU, one line a process; empty where nvidia-smi does not say. Raises GpusUnknown."""
    rows = _query("--query-compute-apps=gpu_uuid,pid,used_gpu_memory,process_name") or []
    return [f"{', '.join(row[3:])} (pid {row[1]}, {row[2]} MiB)" for row in rows if len(row) >= 4 and row[0] == uuid]


def _query(what: str) -> list[list[str]] | None:
    command = ["nvidia-smi", what, "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
        )
    except FileNotFoundError:
        return None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise GpusUnknown(f"nvidia-smi does not answer: {error}") from error
    if done.returncode != 0:
        raise GpusUnknown(f"nvidia-smi failed: {(done.stderr or done.stdout).strip()[:500]}")
    return [[field.strip() for field in line.split(",")] for line in done.stdout.splitlines() if line.strip()]


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0
