"""Ends training that has diverged, so that somebody can go back to an earlier checkpoint instead of burning hours."""

from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

from everswin_trainer.training.lost_loss import LossWatch


class DivergenceHook(Hook):
    """On any rank: the gradients of one spoil all.

    Costs nothing: MMEngine's RuntimeInfoHook has fetched the loss from the GPU already, at each step.
    """

    # After the hook that writes the step down.
    priority = "LOWEST"

    def __init__(self) -> None:
        self._watch = LossWatch()

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        self._watch.see(runner.message_hub.get_scalar("train/loss").current(), runner.iter + 1)
