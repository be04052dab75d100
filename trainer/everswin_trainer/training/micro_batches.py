"""Gradient accumulation: splits a batch that exceeds the GPU's memory into parts that share one optimizer step."""

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import torch
from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapper
from mmengine.registry import LOOPS
from mmengine.runner import EpochBasedTrainLoop

Batch = dict[str, list[Any]]


@LOOPS.register_module()
class MicroBatchTrainLoop(EpochBasedTrainLoop):
    """MMEngine's epoch-based loop with batches split into `parts`. It counts, logs and schedules optimizer steps."""

    def __init__(self, *args: Any, parts: int, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._parts = parts

    def run_iter(self, idx: int, data_batch: Batch) -> None:
        self.runner.call_hook("before_train_iter", batch_idx=idx, data_batch=data_batch)
        outputs = train_step(self.runner.model, data_batch, self.runner.optim_wrapper, self._parts)
        self.runner.call_hook("after_train_iter", batch_idx=idx, data_batch=data_batch, outputs=outputs)
        self._iter += 1


def train_step(model: torch.nn.Module, batch: Batch, wrapper: OptimWrapper, parts: int) -> dict[str, torch.Tensor]:
    """Makes one optimizer step. Returns the losses to log; each part is weighted by its number of images.

    The step equals that of the undivided batch for losses that are means over images.
    """
    bare = model.module if is_model_wrapper(model) else model
    images = len(batch["inputs"])
    logged: dict[str, torch.Tensor] = {}
    pieces = list(cut(batch, parts))
    for piece in pieces:
        share = len(piece["inputs"]) / images
        # DDP synchronizes gradients once, after the last part.
        waits = hasattr(model, "no_sync") and piece is not pieces[-1]
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
