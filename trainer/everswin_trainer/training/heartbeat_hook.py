"""Sends heartbeats from MMEngine's loops: a loop that is silent for much longer than usual hangs."""

from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

from everswin_trainer.job.heartbeat import STEP, VALIDATION, HeartbeatWriter


class HeartbeatHook(Hook):
    """Sends a heartbeat after each step, and in validation and test after each batch and around COCO's evaluation.

    The first step of an epoch belongs to the phase before it: it waits for loader workers that may have to start.
    """

    # Runs before the hook that saves: a save that blocks training sends its own heartbeats.
    priority = "VERY_LOW"

    def __init__(self, heartbeats: HeartbeatWriter) -> None:
        self._heartbeats = heartbeats

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        self._heartbeats.send(STEP)

    def before_val_epoch(self, runner: Runner) -> None:
        self._heartbeats.send(VALIDATION)

    def after_val_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        self._heartbeats.send(VALIDATION)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        self._heartbeats.send(VALIDATION)

    def before_test_epoch(self, runner: Runner) -> None:
        self._heartbeats.send(VALIDATION)

    def after_test_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        self._heartbeats.send(VALIDATION)

    def after_test_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        self._heartbeats.send(VALIDATION)
