"""Waits for the GPUs that a job requests; waiting.json lists their holders (docs/reference/trainer-contract.md)."""

import argparse
import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from everswin_trainer.gpu.devices import CPU, FOREIGN_MIB, UNLISTED, Gpu, list_gpu_processes, list_gpus, visible_gpus
from everswin_trainer.gpu.lease import Holder, Lease, clear_stale, try_acquire
from everswin_trainer.gpu.lease_folder import prepare_lease_folder
from everswin_trainer.gpu.queue import Ticket, guard, request_state
from everswin_trainer.job.folder import Attempt, Job
from everswin_trainer.system.atomic_file import write_json
from everswin_trainer.system.process_tree import start_ticks
from everswin_trainer.system.retry import retry_os_errors
from everswin_trainer.system.users import current_user

# Interval between checks of the leases, each of a few system calls.
POLL_SECONDS = 0.25
# Errors of the machine that last longer end the wait.
RETRY_SECONDS = 45.0
# A wait this short is not reported: other jobs hold a lease briefly while they call nvidia-smi.
PATIENCE_SECONDS = 0.4
# Interval between calls of nvidia-smi.
MEMORY_SECONDS = 1.0


class NotEnoughGpus(Exception):
    """Raised when this machine has fewer GPUs than the job requests."""


class ParentExited(Exception):
    """Raised when the process that started this supervisor has ended: no worker would watch the trainer."""


class StopRequested(Exception):
    """Raised when a stop is requested during the wait."""


@dataclass(frozen=True)
class GpuRequest:
    """A request for `count` GPUs, leased in `folder`.

    A GPU is not free while processes without a lease use more than `foreign_mib` MiB of it.
    """

    folder: Path
    device: str
    count: int
    priority: int
    since: float
    foreign_mib: int
    # UUIDs that must not be leased, because they have failed.
    without: tuple[str, ...]
    # Pid of our parent, which acts for a worker: without it no worker would watch the trainer.
    parent_pid: int

    @classmethod
    def from_arguments(cls, arguments: argparse.Namespace) -> "GpuRequest | None":
        if arguments.gpu_folder is None:
            return None
        since = time.time() if arguments.gpu_since is None else arguments.gpu_since
        return cls(
            folder=arguments.gpu_folder,
            device=arguments.device,
            count=arguments.gpus,
            priority=arguments.gpu_priority,
            since=since,
            foreign_mib=arguments.foreign_mib,
            without=tuple(arguments.without_gpus),
            parent_pid=arguments.parent_pid or os.getppid(),
        )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--gpu-folder", type=Path, help="folder of the leases of this machine; without it no GPU is leased"
    )
    parser.add_argument("--gpus", type=int, default=1)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda")
    parser.add_argument("--gpu-priority", type=int, default=3, help="lower numbers go first")
    parser.add_argument("--gpu-since", type=float, help="Unix seconds; earlier requests go first")
    parser.add_argument("--foreign-mib", type=int, default=FOREIGN_MIB)
    parser.add_argument("--without-gpus", nargs="*", default=[], metavar="UUID", help="GPUs that must not be leased")
    parser.add_argument("--parent-pid", type=int, metavar="PID", help="parent process; the wait ends when it ends")


def wait_for_gpus(job: Job, attempt: Attempt, request: GpuRequest, stop: set[signal.Signals]) -> Lease:
    """Waits for `request.count` GPUs and returns their lease. The caller holds the job's lock and blocks `stop`.

    Raises NotEnoughGpus, GpusUnknown, LeaseFolderUnusable, ParentExited when the parent has exited, StopRequested on a
    signal of `stop`.
    """
    waiting = _GpuWait(job, attempt, request)
    try:
        while (lease := retry_os_errors(waiting.poll, RETRY_SECONDS)) is None:
            if signal.sigtimedwait(stop, POLL_SECONDS) is not None:
                raise StopRequested
            if os.getppid() != request.parent_pid:
                raise ParentExited
        return lease
    finally:
        waiting.end()


class _GpuWait:
    """One wait: a ticket in the queue, and the state that waiting.json shows."""

    def __init__(self, job: Job, attempt: Attempt, request: GpuRequest) -> None:
        self.job, self.attempt, self.request = job, attempt, request
        self.started_at = time.time()
        # The wall clock may jump.
        self.reported_from = time.monotonic() + PATIENCE_SECONDS
        prepare_lease_folder(request.folder)
        self.gpus = _candidate_gpus(request)
        # If the GPUs cannot be listed, one lease stands for all of them.
        self.count = request.count if all(gpu.is_real for gpu in self.gpus) else 1
        if len(self.gpus) < self.count:
            raise NotEnoughGpus(
                f"{request.count} GPUs requested, {len(self.gpus)} available: {_format_gpus(self.gpus)}"
            )
        # Processes that use a GPU without a lease, by UUID; valid until `query_again_at`.
        self.foreign: dict[str, list[str]] = {}
        self.query_again_at = 0.0
        self.published: dict[str, Any] | None = None
        owner = {"run": job.run_name, "user": current_user()}
        ticket = {**owner, "gpus": request.count, "of": [gpu.uuid for gpu in self.gpus]}
        with guard(request.folder):
            clear_stale(request.folder, job)
            self.ticket = Ticket.issue(request.folder, request.priority, request.since, ticket)

    def poll(self) -> Lease | None:
        """Returns the lease of the GPUs if they are free; otherwise reports the wait and returns None."""
        if time.monotonic() >= self.query_again_at:
            self.foreign = {}
        while True:
            candidates = [gpu for gpu in self.gpus if gpu.uuid not in self.foreign]
            with guard(self.request.folder):
                own = {gpu.uuid for gpu in self.gpus}
                ahead = [request for request in self.ticket.ahead() if own & set(request["of"])]
                lease, held = try_acquire(self.request.folder, candidates, self.count, self.job)
                if lease is not None and ahead:
                    lease.release()
                    lease = None
            if lease is None:
                self.publish(ahead, held)
                return None
            try:
                if not self.find_foreign(lease):
                    lease.write_record(self.record())
                    return lease
            except OSError:
                lease.release()
                raise
            lease.release()

    def find_foreign(self, lease: Lease) -> bool:
        """Returns whether processes without a lease use the leased GPUs, and records them."""
        if not lease.gpus[0].is_real:
            return False
        used = {gpu.uuid: gpu.used_mib for gpu in list_gpus() or []}
        occupied = [gpu for gpu in lease.gpus if used.get(gpu.uuid, 0) > self.request.foreign_mib]
        for gpu in occupied:
            self.foreign[gpu.uuid] = list_gpu_processes(gpu.uuid) or [
                f"{used[gpu.uuid]} MiB by processes that nvidia-smi does not list"
            ]
        if occupied:
            self.query_again_at = time.monotonic() + MEMORY_SECONDS
        return bool(occupied)

    def record(self) -> dict[str, Any]:
        """Returns the record that this job writes into its leases."""
        pid = os.getpid()
        owner = {"job": str(self.job.folder), "run": self.job.run_name, "user": current_user()}
        return {
            "v": 1,
            **owner,
            "fence": self.attempt.fence,
            "pid": pid,
            "startTicks": start_ticks(pid),
            "since": time.time(),
        }

    def publish(self, ahead: list[dict[str, Any]], held: list[Holder]) -> None:
        """Writes waiting.json if its content has changed."""
        state = {
            **{"v": 1, "fence": self.attempt.fence, "gpus": self.request.count, "since": self.started_at},
            **{"position": len(ahead) + 1, "ahead": [request_state(request) for request in ahead]},
            "holders": [holder.state() for holder in held],
            "foreign": [{"gpu": uuid, "users": users} for uuid, users in sorted(self.foreign.items())],
            "hosts": [],
        }
        if state != self.published and time.monotonic() > self.reported_from:
            # A full disk does not end the wait.
            with suppress(OSError):
                write_json(self.job.waiting, state)
            self.published = state

    def end(self) -> None:
        """Removes waiting.json and leaves the queue."""
        self.job.waiting.unlink(missing_ok=True)
        self.ticket.leave()


def _candidate_gpus(request: GpuRequest) -> list[Gpu]:
    if request.device == "cpu":
        return [Gpu(CPU, 0, CPU, 0)]
    gpus = list_gpus()
    if gpus is None:
        return [Gpu(UNLISTED, 0, "all GPUs", 0)]
    return [gpu for gpu in visible_gpus(gpus) or _refuse() if gpu.uuid not in request.without]


def _refuse() -> list[Gpu]:
    raise NotEnoughGpus("nvidia-smi lists no GPU that CUDA_VISIBLE_DEVICES allows; change or unset that variable")


def _format_gpus(gpus: list[Gpu]) -> str:
    return ", ".join(f"{gpu.uuid} ({gpu.name})" for gpu in gpus)
