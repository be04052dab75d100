"""One file for each GPU of the machine: whoever holds its flock may compute there.

torchrun starts ranks with every descriptor above 2 closed, and standard input carries the job's own lock already. So
the supervisor holds the flock, and the file names the job that it was taken for. A lease is free when its flock is,
and no process of that job lives: of that the job's lock tells, which every rank inherits (lock.py). Thus a lease
outlives a supervisor that was killed alone, and ends with the last process of its tree.
"""

import fcntl
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from everswin_trainer.gpu.devices import Gpu
from everswin_trainer.job.folder import JOB_ENV, Job
from everswin_trainer.system.process_tree import descendants, marked


@dataclass(frozen=True)
class Holder:
    """Who has a GPU that we want; `record` is what its lease says, {} before it says anything."""

    gpu: Gpu
    record: dict[str, Any]
    # The supervisor was killed, and its ranks have not ended yet.
    survivors: bool = False


@dataclass(frozen=True)
class Lease:
    """GPUs that are ours until `release`, or until the last process of our tree has ended."""

    gpus: list[Gpu]
    descriptors: list[int]

    def name(self, record: dict[str, Any]) -> None:
        """Says for whom; before any process starts that may outlive us."""
        for gpu, descriptor in zip(self.gpus, self.descriptors, strict=True):
            text = json.dumps({**record, "uuid": gpu.uuid}).encode()
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, text, 0)

    def release(self) -> None:
        # A process that the kernel cannot end keeps the GPU: then its job's name must stay.
        left = descendants(os.getpid())
        for descriptor in self.descriptors:
            if not left:
                os.ftruncate(descriptor, 0)
            os.close(descriptor)

    def environment(self) -> dict[str, str]:
        """What makes the program see these GPUs and no other."""
        real = [gpu.uuid for gpu in self.gpus if gpu.is_real]
        return {"CUDA_VISIBLE_DEVICES": ",".join(real)} if real else {}


def take(folder: Path, gpus: list[Gpu], count: int, job: Job) -> tuple[Lease | None, list[Holder]]:
    """The first `count` of `gpus` that are free, all or none; and who has the others. Call it under the guard."""
    lease, held = Lease([], []), []
    for gpu in gpus:
        if len(lease.gpus) == count:
            break
        descriptor = _open(folder, gpu.uuid)
        holder = _holder(descriptor, gpu, job)
        if holder is None:
            lease.gpus.append(gpu)
            lease.descriptors.append(descriptor)
        else:
            os.close(descriptor)
            held.append(holder)
    if len(lease.gpus) == count:
        return lease, held
    for descriptor in lease.descriptors:
        os.close(descriptor)
    return None, held


def forget(folder: Path, job: Job) -> None:
    """Takes our job's name off the leases of a dead supervisor of it. Call it with the job's lock, under the guard.

    Nothing of that job lives any more, but whoever asks for the job's lock now would find ours.
    """
    for path in folder.glob("*.lock"):
        descriptor = _open(folder, path.stem)
        if _try_flock(descriptor) and _read(descriptor).get("job") == str(job.folder):
            os.ftruncate(descriptor, 0)
        os.close(descriptor)


def _open(folder: Path, uuid: str) -> int:
    return os.open(folder / f"{uuid}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)


def _holder(descriptor: int, gpu: Gpu, job: Job) -> Holder | None:
    """Takes the flock of `descriptor`; who has it, or has processes there, if that cannot be."""
    if not _try_flock(descriptor):
        return Holder(gpu, _read(descriptor))
    record = _read(descriptor)
    if record.get("job") not in (None, str(job.folder)) and _tree_lives(Path(record["job"])):
        return Holder(gpu, record, survivors=True)
    return None


def _tree_lives(folder: Path) -> bool:
    """Whether any process of that job lives: the lock that they inherit says so."""
    try:
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return bool(marked(JOB_ENV, str(folder)))
    try:
        # Shared, and for an instant: its next supervisor may want it, too, and then tries again.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _try_flock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(descriptor: int) -> dict[str, Any]:
    try:
        value = json.loads(os.pread(descriptor, 65536, 0))
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
