"""Batch sampler for runs that resume in the middle of an epoch, possibly on fewer GPUs than the plan has ranks."""

import copy
import gc
import hashlib
import math
import os
from collections.abc import Iterator
from typing import Any

from mmdet.registry import DATA_SAMPLERS
from mmengine.dataset import DefaultSampler
from mmengine.registry import FUNCTIONS
from torch.utils.data import BatchSampler, Sampler

from everswin_trainer.training.skipping import after_first


@DATA_SAMPLERS.register_module()
class ResumableBatchSampler(BatchSampler):
    """Wraps the recipe's batch sampler `inner` and skips the first `skip` batches of the next epoch.

    It skips indices, so no image of a skipped batch is read. `inner` is None for plain batches. With `virtual_ranks`
    above 1, each batch joins those that as many ranks of the plan would have in this step, in the order of the ranks.
    """

    def __init__(self, sampler: Sampler, batch_size: int, inner: dict[str, Any] | None, virtual_ranks: int = 1) -> None:
        # MMEngine calls set_epoch on this attribute.
        self.sampler = sampler
        self.skip = 0
        self._order = hashlib.sha256()
        # The recipe's batch sampler keeps state while it groups images, so each virtual rank has its own.
        self._samplers = [sampler] if virtual_ranks == 1 else split_sampler(sampler, virtual_ranks)
        self._inner = [_batch_sampler(one, batch_size, inner) for one in self._samplers]

    @property
    def order(self) -> str:
        """SHA-256 of the samples of the epoch so far, batch by batch. It includes skipped batches."""
        return self._order.hexdigest()

    def __iter__(self) -> Iterator[list[int]]:
        skip, self.skip = self.skip, 0
        yield from after_first(self._record(), skip)

    def _record(self) -> Iterator[list[int]]:
        self._order = hashlib.sha256()
        for batch in self._join():
            self._order.update(f"{batch}\n".encode())
            yield batch

    def _join(self) -> Iterator[list[int]]:
        """Yields the batches of the epoch that is set on `sampler`."""
        for sampler in self._samplers:
            if sampler is not self.sampler:
                sampler.set_epoch(self.sampler.epoch)
        for batches in zip(*self._inner, strict=True):
            yield [index for batch in batches for index in batch]

    def __len__(self) -> int:
        """Returns the number of batches of a full epoch, so that schedules and counts do not change."""
        return len(self._inner[0])


def _batch_sampler(sampler: Sampler, batch_size: int, settings: dict[str, Any] | None) -> BatchSampler:
    if settings is None:
        return BatchSampler(sampler, batch_size, drop_last=False)
    return DATA_SAMPLERS.build(settings, default_args={"sampler": sampler, "batch_size": batch_size})


def split_sampler(sampler: Sampler, virtual_ranks: int) -> list[DefaultSampler]:
    """Returns the samplers of the `virtual_ranks` ranks of the plan that this rank computes. Raises ValueError."""
    require_default_sampler(sampler, "to train on fewer GPUs than planned")
    parts = []
    for rank in virtual_rank_numbers(sampler.rank, virtual_ranks):
        part = copy.copy(sampler)
        part.rank, part.world_size = rank, sampler.world_size * virtual_ranks
        # As in DefaultSampler.__init__.
        part.num_samples = math.ceil(len(part.dataset) / part.world_size)
        part.total_size = part.num_samples * part.world_size
        parts.append(part)
    return parts


def require_default_sampler(sampler: Sampler, purpose: str) -> None:
    """Raises ValueError unless it is MMEngine's default sampler with equal shares: only its order per rank is known."""
    if type(sampler) is not DefaultSampler or not sampler.round_up:
        raise ValueError(f"expected DefaultSampler with round_up {purpose}, got {sampler!r}")


def virtual_rank_numbers(rank: int, virtual_ranks: int) -> range:
    """Returns the ranks of the plan that rank `rank` computes when each rank computes `virtual_ranks` of them."""
    return range(rank * virtual_ranks, (rank + 1) * virtual_ranks)


@FUNCTIONS.register_module()
def prepare_loader_worker(_worker_id: int) -> None:
    """Prepares a loader worker, a fork of the rank.

    It gets its own process group: torchrun signals the rank's while it still needs a batch. Garbage collection skips
    the rank's objects: it would write to all of them, and the worker would copy their pages.
    """
    os.setpgid(0, 0)
    gc.freeze()
