"""Gradient accumulation: splits a batch into parts that share one optimizer step.

A batch is split if it exceeds the GPU's memory, or if this rank computes several ranks of the plan.
"""

from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from typing import Any

import torch
from mmengine.dist import get_rank
from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapper
from mmengine.registry import LOOPS
from mmengine.runner import EpochBasedTrainLoop

from everswin_trainer.training.batches import virtual_rank_numbers
from everswin_trainer.training.randomness import seed_step

Batch = dict[str, list[Any]]


@LOOPS.register_module()
class MicroBatchTrainLoop(EpochBasedTrainLoop):
    """MMEngine's epoch-based loop with batches split into `parts`. It counts, logs and schedules optimizer steps.

    A batch joins those of `virtual_ranks` ranks of the plan, each of which is split into `parts`.
    """

    def __init__(self, *args: Any, parts: int, virtual_ranks: int = 1, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._parts = parts
        self._ranks = virtual_rank_numbers(get_rank(), virtual_ranks)

    def run_iter(self, idx: int, data_batch: Batch) -> None:
        self.runner.call_hook("before_train_iter", batch_idx=idx, data_batch=data_batch)
        images = len(data_batch["inputs"])
        outputs = train_step(self.runner.model, self._split(data_batch), images, self.runner.optim_wrapper)
        self.runner.call_hook("after_train_iter", batch_idx=idx, data_batch=data_batch, outputs=outputs)
        self._iter += 1

    def _split(self, batch: Batch) -> Iterator[Batch]:
        """Yields the parts in the order of the ranks of the plan; seeds the model for each rank as that rank would."""
        # All ranks have equal shares of an epoch, so their batches in one step have equal sizes.
        for rank, share in zip(self._ranks, cut(batch, len(self._ranks)), strict=True):
            seed_step(self.runner.seed, rank, self._iter)
            yield from cut(share, self._parts)


def train_step(
    model: torch.nn.Module, parts: Iterable[Batch], images: int, wrapper: OptimWrapper
) -> dict[str, torch.Tensor]:
    """Makes one optimizer step with the parts of a batch of `images` images. Returns the losses to log.

    Each part is weighted by its number of images. The step equals that of the undivided batch for losses that are means
    over images, and that of as many ranks with a part each.
    """
    bare = model.module if is_model_wrapper(model) else model
    logged: dict[str, torch.Tensor] = {}
    remaining = images
    for piece in parts:
        share = len(piece["inputs"]) / images
        remaining -= len(piece["inputs"])
        # DDP synchronizes gradients once, after the last part.
        waits = hasattr(model, "no_sync") and remaining > 0
        with model.no_sync() if waits else nullcontext():
            with wrapper.optim_context(model):
                losses = model._run_forward(bare.data_preprocessor(piece, True), mode="loss")
            loss, values = bare.parse_losses(losses)
            wrapper.backward(loss * share)
        for name, value in values.items():
            logged[name] = logged.get(name, 0.0) + value.detach() * share
    wrapper.step()
    wrapper.zero_grad()
    return logged


def cut(batch: Batch, parts: int) -> Iterator[Batch]:
    """Yields `parts` parts, or one per image if there are fewer images; sizes differ by at most one."""
    images = len(batch["inputs"])
    parts = min(parts, images)
    for number in range(parts):
        first, end = number * images // parts, (number + 1) * images // parts
        yield {name: values[first:end] for name, values in batch.items()}
