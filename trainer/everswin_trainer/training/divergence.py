"""Ends training that has diverged, so that a run can go back to an earlier checkpoint instead of wasting hours."""

from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

from everswin_trainer.training.loss_watch import LossWatch


class DivergenceHook(Hook):
    """Watches the loss on each rank: bad gradients of one reach all.

    It costs nothing: LossesHook already fetches the losses. It may report a loss one step late, but before a checkpoint
    it reports all of them, so no step that counts as lost is saved.
    """

    # Runs after the hook that writes the step to progress.jsonl, and before the one that saves.
    priority = "LOWEST"

    def __init__(self) -> None:
        self._watch = LossWatch()
        self._reported: list[tuple[float, int]] = []

    def after_loss(self, runner: Runner, loss: float, iteration: int) -> None:
        self._reported.append((loss, iteration))

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        self._observe()

    def before_capture(self, runner: Runner) -> None:
        self._observe()

    def _observe(self) -> None:
        """Raises FloatingPointError if training has diverged."""
        reported, self._reported = self._reported, []
        for loss, iteration in reported:
            self._watch.observe(loss, iteration)
