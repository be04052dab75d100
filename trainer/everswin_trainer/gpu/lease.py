"""GPU leases: one file for each GPU of the machine, whose flock gives its holder the GPU.

torchrun closes every descriptor above 2 in its ranks, and standard input already carries the job's lock. So the
supervisor holds the flock, and the file names the job. A lease is free when its flock is free and no process of that
job lives; the job's lock, which every rank inherits, shows that (supervisor/lock.py). A lease therefore outlives a
supervisor that was killed alone, and ends with the last process of the job.
"""

import fcntl
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from everswin_trainer.gpu.devices import Gpu
from everswin_trainer.job.folder import JOB_ENV, Job
from everswin_trainer.system.atomic_file import parse_object
from everswin_trainer.system.file_lock import open_shared, try_flock
from everswin_trainer.system.json_fields import has_fields, is_text
from everswin_trainer.system.process_tree import descendants, find_by_environment


@dataclass(frozen=True)
class Holder:
    """Holder of a GPU that we requested; `record` is the content of its lease, {} before it is written."""

    gpu: Gpu
    record: dict[str, Any]
    # The supervisor was killed, and its ranks still run.
    orphaned: bool = False


@dataclass(frozen=True)
class Lease:
    """GPUs that this job holds until `release`, or until its last process ends."""

    gpus: list[Gpu]
    descriptors: list[int]

    def write_record(self, record: dict[str, Any]) -> None:
        """Writes `record` into the lease files. Call it before any process starts that may outlive this one."""
        for gpu, descriptor in zip(self.gpus, self.descriptors, strict=True):
            text = json.dumps({**record, "uuid": gpu.uuid}).encode()
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, text, 0)

    def release(self) -> None:
        """Releases the GPUs, except those that a surviving process of the job still uses."""
        # The record of a process that the kernel cannot end must stay.
        survivors = descendants(os.getpid())
        while self.descriptors:
            if not survivors:
                os.ftruncate(self.descriptors[-1], 0)
            os.close(self.descriptors.pop())

    def environment(self) -> dict[str, str]:
        """Returns the variables that restrict the program to these GPUs."""
        real = [gpu.uuid for gpu in self.gpus if gpu.is_real]
        return {"CUDA_VISIBLE_DEVICES": ",".join(real)} if real else {}


def try_acquire(folder: Path, gpus: list[Gpu], count: int, job: Job) -> tuple[Lease | None, list[Holder]]:
    """Acquires the first `count` free GPUs, all or none; also returns the holders of others. Requires the guard."""
    lease, held = Lease([], []), []
    try:
        _lock_free(lease, held, folder, gpus, count, job)
    finally:
        if len(lease.gpus) < count:
            for descriptor in lease.descriptors:
                os.close(descriptor)
    return (lease if len(lease.gpus) == count else None), held


def _lock_free(lease: Lease, held: list[Holder], folder: Path, gpus: list[Gpu], count: int, job: Job) -> None:
    """Adds up to `count` free GPUs to `lease`, and the holders of others to `held`."""
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


def clear_stale(folder: Path, job: Job) -> None:
    """Clears the leases that a dead supervisor of this job left. Requires the job's lock and the guard.

    Other supervisors cannot clear them: they find the job's lock held, by us.
    """
    for path in folder.glob("*.lock"):
        descriptor = _open(folder, path.stem)
        if try_flock(descriptor) and _read(descriptor).get("job") == str(job.folder):
            os.ftruncate(descriptor, 0)
        os.close(descriptor)


def leased_uuids(folder: Path) -> list[str]:
    """Returns the GPUs that any job has leased so far."""
    return sorted(path.stem for path in folder.glob("GPU-*.lock"))


def holding_run(folder: Path, uuid: str) -> str | None:
    """Returns the run that holds a GPU; None if it is free. Requires the guard."""
    if not (folder / f"{uuid}.lock").exists():
        return None
    descriptor = _open(folder, uuid)
    try:
        is_locked, record = not try_flock(descriptor), _read(descriptor)
        if is_locked or (record.get("job") and _has_living_process(Path(record["job"]))):
            return str(record.get("run", "?"))
        return None
    finally:
        os.close(descriptor)


def _open(folder: Path, uuid: str) -> int:
    return open_shared(folder / f"{uuid}.lock")


def _holder(descriptor: int, gpu: Gpu, job: Job) -> Holder | None:
    """Locks `descriptor` and returns None, or returns its holder: a supervisor, or processes that survived one."""
    if not try_flock(descriptor):
        return Holder(gpu, _read(descriptor))
    record = _read(descriptor)
    if record.get("job") not in (None, str(job.folder)) and _has_living_process(Path(record["job"])):
        return Holder(gpu, record, orphaned=True)
    return None


def _has_living_process(folder: Path) -> bool:
    """Returns whether any process of that job lives, by the lock that they all inherit."""
    try:
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CLOEXEC)
    except (OSError, ValueError):
        # The folder was deleted, its storage does not work, or the record is damaged, which must not end other jobs.
        return bool(find_by_environment(JOB_ENV, str(folder)))
    try:
        # Shared and brief; a supervisor that finds it held tries again.
        return not try_flock(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def _read(descriptor: int) -> dict[str, Any]:
    record = parse_object(os.pread(descriptor, 65536, 0))
    return record if has_fields(record, {"job": is_text}) else {}
