"""Decides when to save, makes up for missed validations, and ends training between two steps on request."""

import time
from collections.abc import Callable
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

from everswin_trainer.checkpoints.checkpoint import sweep_checkpoints
from everswin_trainer.checkpoints.saver import Saver, StateCopy
from everswin_trainer.job.heartbeat import SAVING, STEP
from everswin_trainer.job.progress import box_average_precision, newest_request
from everswin_trainer.job.stop_request import Preempted
from everswin_trainer.training.context import Context
from everswin_trainer.training.digests import hash_random_state, hash_tensors
from everswin_trainer.training.state import (
    Snapshots,
    all_weights,
    capture,
    size_in_bytes,
    weights_are_finite,
    write,
)


class CheckpointHook(Hook):
    """Saves at the end of each epoch, at intervals, on request, and at once on SIGTERM.

    Training continues as soon as the state is copied; rank 0's saver writes it. `saver` is None on other ranks. With
    `until`, training also saves and stops after that iteration.
    """

    # Runs after all hooks that change the state of a step.
    priority = "LOWEST"

    def __init__(self, context: Context, learning_rate_factor: float, saver: Saver | None, until: int | None) -> None:
        self._plan = context.plan
        self._job = context.job
        self._rank = context.rank
        self._heartbeats = context.heartbeats
        self._control = context.control
        self._stop = context.stop
        self._learning_rate_factor = learning_rate_factor
        self._saver = saver
        self._until = until
        self._recorded = context.recorded
        self._request = newest_request(self._recorded.events())
        self._snapshots = Snapshots()
        self._due_at = 0.0

    def before_train(self, runner: Runner) -> None:
        """Validates first if a crash came between a checkpoint and its validation, so that no metric is missing."""
        if self._saver:
            sweep_checkpoints(self._job.checkpoints)
        at_epoch_end = runner.iter == runner.epoch * len(runner.train_dataloader)
        validated = box_average_precision(self._recorded.events())
        if self._until is None and runner.iter > 0 and at_epoch_end and (runner.epoch, runner.iter) not in validated:
            runner.val_loop.run()
        self._schedule()

    def before_train_epoch(self, runner: Runner) -> None:
        if any(self._rank.all_reduce_any(self._stop.requested)):
            self._leave(runner.epoch, runner.iter)

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        if self._saver:
            self._saver.raise_if_failed()
        done = runner.iter + 1
        if done % len(runner.train_dataloader) == 0:
            return
        stop, due = self._rank.all_reduce_any(self._is_over(done), self._is_due())
        if stop or due:
            self._save(runner, runner.epoch, done)
        if stop:
            self._leave(runner.epoch, done)

    def after_train_epoch(self, runner: Runner) -> None:
        samples = self._rank.gather(runner.train_dataloader.batch_sampler.order)
        self._save(
            runner,
            runner.epoch + 1,
            runner.iter,
            {"samples": samples, "random": self._rank.gather(hash_random_state())},
        )
        if any(self._rank.all_reduce_any(self._is_over(runner.iter))):
            self._leave(runner.epoch + 1, runner.iter)

    def after_val_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        if self._saver:
            self._saver.raise_if_failed()
        # The saver already has the weights, so each rank may leave without a collective.
        if self._stop.requested:
            self._leave(runner.epoch, runner.iter)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        if self._saver:
            self._saver.retain()

    def after_train(self, runner: Runner) -> None:
        self._wait()

    def _is_over(self, done: int) -> bool:
        """Returns whether training ends after `done` iterations, though epochs may be left."""
        return self._stop.requested or done == self._until

    def _is_due(self) -> bool:
        """Decides on rank 0 only, which has the clock and the control file."""
        if not self._saver:
            return False
        return time.monotonic() > self._due_at or self._control.now().checkpoint_now > self._request

    def _save(self, runner: Runner, epoch: int, iteration: int, hashes: dict[str, list[str]] | None = None) -> None:
        """Saves. `hashes` are those of all ranks at the end of an epoch, which is then recorded."""
        if not self._saver:
            return
        begin = time.monotonic()
        # LossesHook records what it still copies, and DivergenceHook raises if it shows that training has diverged.
        runner.call_hook("before_capture")
        self._heartbeats.send(SAVING)
        self._request = self._control.now().checkpoint_now
        # The buffers are reused, so the previous checkpoint must be written first.
        self._saver.wait()
        state = self._snapshots.take(capture(runner, epoch, iteration, self._learning_rate_factor))
        record: Callable[[], dict[str, Any]] | None = None
        if hashes:
            weights, moments = all_weights(state), state["optimizer"]["state"]

            def record() -> dict[str, Any]:
                return {**hashes, "weights": hash_tensors(weights), "optimizer": hash_tensors(moments)}

        copy = StateCopy(
            epoch=epoch,
            iteration=iteration,
            size_bytes=size_in_bytes(state),
            write=lambda stream: write(state, stream),
            is_finite=lambda: weights_are_finite(state),
            record=record,
        )
        self._saver.save(copy, request=self._request, blocked_since=begin)
        self._schedule()
        self._heartbeats.send(STEP)

    def _schedule(self) -> None:
        if self._saver:
            self._due_at = time.monotonic() + self._saver.interval_seconds()

    def _leave(self, epoch: int, iteration: int) -> None:
        """Waits until all checkpoints are on disk, then raises Preempted."""
        self._wait()
        raise Preempted(epoch, iteration)

    def _wait(self) -> None:
        if self._saver:
            self._heartbeats.send(SAVING)
            self._saver.wait()
