"""Batch sampler for runs that resume in the middle of an epoch."""

import hashlib
import os
from collections.abc import Iterator
from typing import Any

from mmdet.registry import DATA_SAMPLERS
from mmengine.registry import FUNCTIONS
from torch.utils.data import BatchSampler, Sampler

from everswin_trainer.training.skipping import after_first


@DATA_SAMPLERS.register_module()
class ResumableBatchSampler(BatchSampler):
    """Wraps the recipe's batch sampler `inner` and skips the first `skip` batches of the next epoch.

    It skips indices, so no image of a skipped batch is read. `inner` is None for plain batches.
    """

    def __init__(self, sampler: Sampler, batch_size: int, inner: dict[str, Any] | None) -> None:
        if inner is None:
            self.inner = BatchSampler(sampler, batch_size, drop_last=False)
        else:
            self.inner = DATA_SAMPLERS.build(inner, default_args={"sampler": sampler, "batch_size": batch_size})
        # MMEngine calls set_epoch on this attribute.
        self.sampler = sampler
        self.skip = 0
        self._order = hashlib.sha256()

    @property
    def order(self) -> str:
        """SHA-256 of the samples of the epoch so far, batch by batch. It includes skipped batches."""
        return self._order.hexdigest()

    def __iter__(self) -> Iterator[list[int]]:
        skip, self.skip = self.skip, 0
        yield from after_first(self._record(), skip)

    def _record(self) -> Iterator[list[int]]:
        self._order = hashlib.sha256()
        for batch in self.inner:
            self._order.update(f"{batch}\n".encode())
            yield batch

    def __len__(self) -> int:
        """Returns the number of batches of a full epoch, so that schedules and counts do not change."""
        return len(self.inner)


@FUNCTIONS.register_module()
def own_process_group(_worker_id: int) -> None:
    """Moves a loader worker to its own process group: torchrun signals the rank's while it still needs a batch."""
    os.setpgid(0, 0)
