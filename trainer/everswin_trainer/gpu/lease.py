"""GPU leases: one file for each GPU of the machine, whose flock gives its holder the GPU.

torchrun closes every descriptor above 2 in its ranks, and standard input already carries the job's lock. So the
supervisor holds the flock, and the file names the job. A lease is free when its flock is free and no process of that
job lives. It therefore outlives a supervisor that was killed alone, and ends with the last process of the job. Two
locks show that:

- the job's lock, which every process of the job inherits (supervisor/lock.py). Another user may not be able to open it.
- a POSIX record lock on the lease file, which each rank acquires when it starts.
"""

import fcntl
import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from everswin_trainer.gpu.devices import Gpu
from everswin_trainer.job.folder import JOB_ENV, Job
from everswin_trainer.system.atomic_file import parse_object
from everswin_trainer.system.file_lock import has_record_lock, open_shared, try_flock
from everswin_trainer.system.json_fields import has_fields, is_integer, is_number, is_text
from everswin_trainer.system.process_tree import descendants, find_by_environment

# Paths of the lease files, one a line, for the ranks.
LEASES_ENV = "EVERSWIN_GPU_LEASES"

_RECORD_FIELDS = {
    "job": is_text,
    **{name: lambda value: value is None or is_text(value) for name in ("run", "user")},
    "pid": lambda value: value is None or is_integer(value),
    "since": lambda value: value is None or is_number(value),
}


@dataclass(frozen=True)
class Holder:
    """Holder of a GPU that we requested; `record` is the content of its lease, {} before it is written."""

    gpu: Gpu
    record: dict[str, Any]
    # The supervisor was killed, and its ranks still run.
    orphaned: bool = False

    def state(self) -> dict[str, Any]:
        """Returns the holder as waiting.json shows it."""
        fields = {name: self.record.get(name) for name in ("run", "user", "pid", "since")}
        return {"gpu": self.gpu.uuid, "name": self.gpu.name, **fields, "orphaned": self.orphaned}


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
        visible = {"CUDA_VISIBLE_DEVICES": ",".join(real)} if real else {}
        files = [os.readlink(f"/proc/self/fd/{descriptor}") for descriptor in self.descriptors]
        return {LEASES_ENV: "\n".join(files), **visible}


def hold_leases() -> None:
    """Locks the leases of this rank until it ends, for other users of the machine."""
    for path in os.environ.get(LEASES_ENV, "").splitlines():
        # A network file system may take the flock of the supervisor for a record lock: the job's lock must do.
        with suppress(OSError):
            # Stays open: the kernel drops a record lock with the first descriptor that is closed.
            fcntl.lockf(os.open(path, os.O_RDONLY | os.O_CLOEXEC), fcntl.LOCK_SH | fcntl.LOCK_NB)


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


def find_holders(folder: Path, job: Job | None = None) -> list[Holder]:
    """Returns the holders of all leases of the machine, without those of `job`. Requires the guard."""
    holders = []
    for path in sorted(folder.glob("*.lock")):
        descriptor = _open(folder, path.stem)
        try:
            holder = _holder(descriptor, Gpu(path.stem, 0, path.stem, 0), job)
        finally:
            os.close(descriptor)
        if holder is not None and (job is None or holder.record.get("job") != str(job.folder)):
            holders.append(holder)
    return holders


def _open(folder: Path, uuid: str) -> int:
    return open_shared(folder / f"{uuid}.lock")


def _holder(descriptor: int, gpu: Gpu, job: Job | None) -> Holder | None:
    """Locks `descriptor` and returns None, or returns its holder: a supervisor, or processes that survived one."""
    is_locked = not try_flock(descriptor)
    record = _read(descriptor)
    if is_locked:
        return Holder(gpu, record)
    owner = record.get("job")
    # The survivors of this job were killed when it acquired its own lock.
    is_own = job is not None and owner == str(job.folder)
    if not is_own and (has_record_lock(descriptor) or (owner is not None and _has_living_process(Path(owner)))):
        return Holder(gpu, record, orphaned=True)
    return None


def _has_living_process(folder: Path) -> bool:
    """Returns whether any process of that job lives, by the lock that they all inherit."""
    try:
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CLOEXEC)
    except (OSError, ValueError):
        # The folder was deleted or belongs to another user, its storage does not work, or the record is damaged, which
        # must not end other jobs.
        return bool(find_by_environment(JOB_ENV, str(folder)))
    try:
        # Shared and brief; a supervisor that finds it held tries again.
        return not try_flock(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def _read(descriptor: int) -> dict[str, Any]:
    record = parse_object(os.pread(descriptor, 65536, 0))
    return record if has_fields(record, _RECORD_FIELDS) else {}
