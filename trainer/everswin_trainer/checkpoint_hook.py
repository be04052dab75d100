"""Decides when to save, validates what a crash left unvalidated, and ends training between two steps when told to."""

import time
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from .checkpoint import Checkpoint, Origin, save, sweep
from .context import Context
from .progress import box_average_precision, read_events
from .retention import retain
from .state import capture, weights_are_finite, write
from .stop_request import Preempted


class CheckpointHook(Hook):
    """Saves at each epoch's end, every so many minutes, and at once on SIGTERM. Only the first rank writes."""

    # After everything that changes the state of a step.
    priority = "LOWEST"

    def __init__(self, context: Context) -> None:
        self._progress = context.progress
        self._plan = context.plan
        self._job = context.job
        self._attempt = context.attempt
        self._rank = context.rank
        self._stop = context.stop
        self._saved_at = time.monotonic()
        self._newest: Checkpoint | None = None

    def before_train(self, runner: Runner) -> None:
        """A run that died between a checkpoint and its validation makes that up first: no metric is ever missing."""
        if self._rank.is_first:
            sweep(self._job.checkpoints)
        self._saved_at = time.monotonic()
        at_epoch_end = runner.iter == runner.epoch * len(runner.train_dataloader)
        if runner.iter > 0 and at_epoch_end and (runner.epoch, runner.iter) not in self._scores():
            runner.val_loop.run()

    def before_train_epoch(self, runner: Runner) -> None:
        if any(self._rank.any_rank(self._stop.raised)):
            raise Preempted(runner.epoch, runner.iter)

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        done = runner.iter + 1
        if done % len(runner.train_dataloader) == 0:
            return
        due = time.monotonic() - self._saved_at > self._plan.every_minutes * 60
        stop, due = self._rank.any_rank(self._stop.raised, due and self._rank.is_first)
        if stop or due:
            self._save(runner, runner.epoch, done)
            self._retain()
        if stop:
            raise Preempted(runner.epoch, done)

    def after_train_epoch(self, runner: Runner) -> None:
        self._save(runner, runner.epoch + 1, runner.iter)
        if any(self._rank.any_rank(self._stop.raised)):
            raise Preempted(runner.epoch + 1, runner.iter)

    def after_val_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        # The weights are on disk already, so each rank may leave without asking the others.
        if self._stop.raised:
            raise Preempted(runner.epoch, runner.iter)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        self._retain()

    def _save(self, runner: Runner, epoch: int, iteration: int) -> None:
        self._saved_at = time.monotonic()
        if not self._progress:
            return
        if not weights_are_finite(runner):
            # Saving would push the last good checkpoints out.
            self._progress.write("warning", message=f"not saved at step {iteration}: the weights are not finite")
            return
        state = capture(runner, epoch, iteration)
        origin = Origin(self._plan.plan_hash, self._attempt, torch.__version__)
        self._newest = save(self._job.checkpoints, epoch, iteration, origin, lambda stream: write(state, stream))
        self._progress.write(
            "checkpoint",
            file=self._newest.path.name,
            epoch=epoch,
            iteration=iteration,
            bytes=self._newest.bytes,
            sha256=self._newest.sha256,
            seconds=time.monotonic() - self._saved_at,
        )

    def _retain(self) -> None:
        if self._newest:
            retain(self._job.checkpoints, self._newest, self._plan.keep_last, self._scores())

    def _scores(self) -> dict[tuple[int, int], float]:
        return box_average_precision(read_events(self._job.progress))
