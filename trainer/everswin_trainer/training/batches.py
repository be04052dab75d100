"""How the data loader feeds a run that may be stopped and resumed in the middle of an epoch."""

import os
from collections.abc import Iterator
from typing import Any

from mmdet.registry import DATA_SAMPLERS
from mmengine.registry import FUNCTIONS
from torch.utils.data import BatchSampler, Sampler

from everswin_trainer.training.skipping import after_first


@DATA_SAMPLERS.register_module()
class ResumableBatchSampler(BatchSampler):
    """The recipe's batch sampler, of which the next epoch alone leaves out the first `skip` batches.

    It leaves out indices: no image of a skipped batch is read. `inner` is the recipe's setting, None for plain batches.
    """

    def __init__(self, sampler: Sampler, batch_size: int, inner: dict[str, Any] | None) -> None:
        if inner is None:
            self.inner = BatchSampler(sampler, batch_size, drop_last=False)
        else:
            self.inner = DATA_SAMPLERS.build(inner, default_args={"sampler": sampler, "batch_size": batch_size})
        # MMEngine looks here for the sampler whose order changes with the epoch.
        self.sampler = sampler
        self.skip = 0

    def __iter__(self) -> Iterator[list[int]]:
        skip, self.skip = self.skip, 0
        yield from after_first(self.inner, skip)

    def __len__(self) -> int:
        """Of a whole epoch, so that schedules and counts stay what they are."""
        return len(self.inner)


@FUNCTIONS.register_module()
def own_process_group(_worker_id: int) -> None:
    """In a loader worker: torchrun signals a rank's whole process group, but a stopping rank still needs its batch."""
    os.setpgid(0, 0)
