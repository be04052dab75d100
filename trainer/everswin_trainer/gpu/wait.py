"""Waits until the GPUs that a job asks for can be had; `waiting.json` says for whom (docs/trainer-contract.md)."""

import argparse
import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from everswin_trainer.gpu.devices import CPU, UNLISTED, Gpu, list_gpus, users, visible
from everswin_trainer.gpu.lease import Holder, Lease, forget, take
from everswin_trainer.gpu.queue import Ticket, guard
from everswin_trainer.job.folder import Attempt, Job
from everswin_trainer.system.atomic_file import write_json
from everswin_trainer.system.process_tree import start_ticks

# How often the leases are looked at: a few system calls.
LOOK_SECONDS = 0.25
# Others hold GPUs for an instant while they look who uses them: that is no waiting to tell of.
PATIENCE_SECONDS = 0.4
# How often nvidia-smi is asked again who else uses a GPU.
MEMORY_SECONDS = 1.0


class NeverEnough(Exception):
    """This machine has fewer GPUs than the job asks for."""


class GivenUp(Exception):
    """Whoever waited with us is gone: the worker that would watch the trainer."""


class StopWanted(Exception):
    """We were told to stop while we waited."""


@dataclass(frozen=True)
class Wish:
    """`count` GPUs of those that `folder` has the leases of; `foreign` MiB used by others on one are too many."""

    folder: Path
    device: str
    count: int
    priority: int
    since: float
    foreign: int
    # The process that asks on behalf of a worker: without it nobody would watch what we start.
    asker: int

    @classmethod
    def of(cls, arguments: argparse.Namespace) -> "Wish | None":
        if arguments.gpu_folder is None:
            return None
        since = time.time() if arguments.gpu_since is None else arguments.gpu_since
        wanted = (arguments.gpu_folder, arguments.device, arguments.gpus, arguments.gpu_priority)
        return cls(*wanted, since, arguments.foreign_mib, arguments.asker or os.getppid())


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--gpu-folder", type=Path, help="where this machine keeps leases; without it nothing is leased")
    parser.add_argument("--gpus", type=int, default=1)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda")
    parser.add_argument("--gpu-priority", type=int, default=3, help="the lower one goes first")
    parser.add_argument("--gpu-since", type=float, help="Unix seconds: the earlier one goes first")
    parser.add_argument("--foreign-mib", type=int, default=1024)
    parser.add_argument("--asker", type=int, metavar="PID", help="our parent: we wait no longer than it lives")


def wait_for_gpus(job: Job, attempt: Attempt, wish: Wish, stop: set[signal.Signals]) -> Lease:
    """Returns with the lease of `wish.count` GPUs. Call it with the job's lock, and `stop` blocked.

    Raises NeverEnough, GpusUnknown, GivenUp when the asker died, StopWanted on a signal of `stop`.
    """
    waiting = _Waiting(job, attempt, wish)
    try:
        while (lease := waiting.look()) is None:
            if signal.sigtimedwait(stop, LOOK_SECONDS) is not None:
                raise StopWanted
            if os.getppid() != wish.asker:
                raise GivenUp
        return lease
    finally:
        waiting.end()


class _Waiting:
    def __init__(self, job: Job, attempt: Attempt, wish: Wish) -> None:
        self.job, self.attempt, self.wish = job, attempt, wish
        self.began = time.time()
        wish.folder.mkdir(parents=True, exist_ok=True)
        self.gpus = _candidates(wish)
        # All that stand for several GPUs are one.
        self.count = wish.count if self.gpus[0].is_real else 1
        if len(self.gpus) < self.count:
            raise NeverEnough(f"the job asks for {wish.count} GPUs, there are {len(self.gpus)}: {_names(self.gpus)}")
        # By UUID: who uses a GPU that nobody leased, and until when we need not ask again.
        self.foreign: dict[str, list[str]] = {}
        self.ask_again_at = 0.0
        self.said: dict[str, Any] | None = None
        what = {"run": job.run_name, "gpus": wish.count, "of": [gpu.uuid for gpu in self.gpus]}
        with guard(wish.folder):
            forget(wish.folder, job)
            self.ticket = Ticket.draw(wish.folder, wish.priority, wish.since, what)

    def look(self) -> Lease | None:
        """Takes what we want if it can be had now, and says for what we wait if not."""
        if time.monotonic() >= self.ask_again_at:
            self.foreign = {}
        while True:
            free_of_others = [gpu for gpu in self.gpus if gpu.uuid not in self.foreign]
            with guard(self.wish.folder):
                ahead = [said for said in self.ticket.ahead() if set(said["of"]) & {gpu.uuid for gpu in self.gpus}]
                lease, held = take(self.wish.folder, free_of_others, self.count, self.job)
                if lease is not None and ahead:
                    lease.release()
                    lease = None
            if lease is None:
                self.say(ahead, held)
                return None
            if not self.find_foreign(lease):
                lease.name(self.record())
                return lease
            lease.release()

    def find_foreign(self, lease: Lease) -> bool:
        """Looks who uses the GPUs of the lease, which nobody else may; with it held, so that it is none of us."""
        if not lease.gpus[0].is_real:
            return False
        used = {gpu.uuid: gpu.used for gpu in list_gpus() or []}
        found = [gpu for gpu in lease.gpus if used.get(gpu.uuid, 0) > self.wish.foreign]
        for gpu in found:
            self.foreign[gpu.uuid] = users(gpu.uuid) or [f"{used[gpu.uuid]} MiB by nobody that nvidia-smi names"]
        if found:
            self.ask_again_at = time.monotonic() + MEMORY_SECONDS
        return bool(found)

    def record(self) -> dict[str, Any]:
        """What the leases say of us."""
        pid = os.getpid()
        ours = {"job": str(self.job.folder), "run": self.job.run_name, "fence": self.attempt.fence}
        return {"v": 1, **ours, "pid": pid, "startTicks": start_ticks(pid), "since": time.time()}

    def say(self, ahead: list[dict[str, Any]], held: list[Holder]) -> None:
        """Writes waiting.json when something in it has changed."""
        queue = [{"run": said["run"], "gpus": said["gpus"]} for said in ahead]
        state = {
            **{"v": 1, "fence": self.attempt.fence, "gpus": self.wish.count, "since": self.began},
            **{"place": len(ahead) + 1, "ahead": queue},
            "held": [_describe(holder) for holder in held],
            "foreign": [{"gpu": uuid, "users": found} for uuid, found in sorted(self.foreign.items())],
        }
        if state != self.said and time.time() - self.began > PATIENCE_SECONDS:
            # On a full disk we wait all the same.
            with suppress(OSError):
                write_json(self.job.waiting, state)
            self.said = state

    def end(self) -> None:
        self.job.waiting.unlink(missing_ok=True)
        self.ticket.tear_up()


def _candidates(wish: Wish) -> list[Gpu]:
    if wish.device == "cpu":
        return [Gpu(CPU, 0, CPU, 0)]
    gpus = list_gpus()
    return [Gpu(UNLISTED, 0, "all GPUs", 0)] if gpus is None else visible(gpus) or _refuse()


def _refuse() -> list[Gpu]:
    raise NeverEnough("nvidia-smi names no GPU that CUDA_VISIBLE_DEVICES leaves us")


def _names(gpus: list[Gpu]) -> str:
    return ", ".join(f"{gpu.uuid} ({gpu.name})" for gpu in gpus)


def _describe(holder: Holder) -> dict[str, Any]:
    record = holder.record
    of = {"run": record.get("run"), "pid": record.get("pid"), "since": record.get("since")}
    return {"gpu": holder.gpu.uuid, "name": holder.gpu.name, **of, "survivors": holder.survivors}
