"""Ends training that has diverged, so that a run can go back to an earlier checkpoint instead of wasting hours."""

from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

from everswin_trainer.training.loss_watch import LossWatch


class DivergenceHook(Hook):
    """Watches the loss on each rank: bad gradients of one reach all.

    It costs nothing: MMEngine's RuntimeInfoHook already fetches the loss from the GPU at each step.
    """

    # Runs after the hook that records the step.
    priority = "LOWEST"

    def __init__(self) -> None:
        self._watch = LossWatch()

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        self._watch.observe(runner.message_hub.get_scalar("train/loss").current(), runner.iter + 1)
