"""The rank of this process, as torchrun numbers them, and the collectives by which ranks agree."""

import os
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import cv2
import torch
import torch.distributed as dist

# torch gives NCCL 10 minutes; COCO's evaluation and a slow disk may keep rank 0 busy for longer.
TIMEOUT = timedelta(seconds=1800)


@dataclass
class Rank:
    """Rank `number` of `world` ranks in total, and `local` of `local_world` on this machine."""

    number: int
    world: int
    local: int
    local_world: int
    device: str
    _control: Any = field(default=None, repr=False)

    @classmethod
    def from_environment(cls, device: str) -> "Rank":
        """Reads the variables that torchrun sets. Raises ValueError without them."""
        names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
        missing = [name for name in names if name not in os.environ]
        if missing:
            raise ValueError(f"expected {', '.join(missing)} in the environment: start this through torchrun")
        return cls(*(int(os.environ[name]) for name in names), device)

    @property
    def is_rank0(self) -> bool:
        """Returns whether this is rank 0, the only one that writes files."""
        return self.number == 0

    def connect(self) -> None:
        """Joins the process group, once. MMEngine would do it too, but asks for CUDA even on a CPU."""
        if dist.is_initialized():
            return
        if self.device == "cuda":
            torch.cuda.set_device(self.local)
            dist.init_process_group("nccl", timeout=TIMEOUT)
        else:
            dist.init_process_group("gloo", timeout=TIMEOUT)
        if self.world > 1:
            # Decisions travel between CPUs and never wait for a GPU.
            self._control = dist.new_group(backend="gloo", timeout=TIMEOUT)

    def all_reduce_any(self, *flags: bool) -> list[bool]:
        """Returns for each flag whether any rank raised it: the same result on every rank, at the same step."""
        if self._control is None:
            return list(flags)
        votes = torch.tensor(flags, dtype=torch.uint8)
        dist.all_reduce(votes, dist.ReduceOp.MAX, group=self._control)
        return votes.bool().tolist()

    def broadcast_from_rank0(self, value: Any) -> Any:
        """Returns the value of rank 0 on every rank: files may change between the reads of two ranks."""
        if self._control is None:
            return value
        values = [value]
        dist.broadcast_object_list(values, src=0, group=self._control)
        return values[0]

    def gather(self, value: Any) -> list[Any]:
        """Returns the value of every rank, by rank."""
        values: list[Any] = [None] * self.world
        dist.all_gather_object(values, value, group=self._control)
        return values

    def set_threads(self) -> None:
        """Shares the cores among the ranks. On a GPU torchrun's one thread a rank is right; OpenCV's own only harm.

        One core stays free for the rest of the machine: OpenMP's threads spin while they wait for one another, and on
        2 busy cores 2 threads took 2.5 s for a step that 1 thread did in 0.35 s.
        """
        cv2.setNumThreads(0)
        if self.device == "cpu":
            cores = len(os.sched_getaffinity(0)) - 1
            torch.set_num_threads(max(1, cores // self.local_world))
