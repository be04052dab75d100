"""Signs of progress from MMEngine's loops: whatever stands still longer than usual between two of them hangs."""

from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

from everswin_trainer.job.beats import STEP, VALIDATION, Beats


class BeatsHook(Hook):
    """A sign after each step, and in validation and test after each batch and around COCO's evaluation.

    The first step of an epoch belongs to the phase before it: it waits for loader workers that may have to start.
    """

    # Before the hook that saves: a save that keeps training waiting gives signs of its own.
    priority = "VERY_LOW"

    def __init__(self, beats: Beats) -> None:
        self._beats = beats

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        self._beats.beat(STEP)

    def before_val_epoch(self, runner: Runner) -> None:
        self._beats.beat(VALIDATION)

    def after_val_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        self._beats.beat(VALIDATION)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        self._beats.beat(VALIDATION)

    def before_test_epoch(self, runner: Runner) -> None:
        self._beats.beat(VALIDATION)

    def after_test_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        self._beats.beat(VALIDATION)

    def after_test_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        self._beats.beat(VALIDATION)
