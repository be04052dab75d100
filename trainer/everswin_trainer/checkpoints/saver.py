"""Saves checkpoints in the background: training pauses only while its state is copied.

One thread makes all changes to the checkpoint folder, one after another, so that nothing is deleted during a save.
Python waits for it when the process exits normally or by an exception: a rank that fails still completes its save.
"""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, BinaryIO

from everswin_trainer.checkpoints.checkpoint import Checkpoint, Origin, save_checkpoint
from everswin_trainer.checkpoints.interval import estimate_epoch_seconds, seconds_between_saves
from everswin_trainer.checkpoints.retention import apply_retention, epoch_end_positions
from everswin_trainer.job.folder import Job
from everswin_trainer.job.plan import Plan
from everswin_trainer.job.progress import Progress, ProgressReader, box_average_precision
from everswin_trainer.system.disk_space import require_checkpoint_space


@dataclass(frozen=True)
class StateCopy:
    """A copy of the training state that training no longer changes.

    `write`, `is_finite` and `record` run in the background. `size_bytes` is the expected size of the file. `record`
    returns the fields of the event `epoch`, with which the state is recorded; None within an epoch.
    """

    epoch: int
    iteration: int
    size_bytes: int
    write: Callable[[BinaryIO], None]
    is_finite: Callable[[], bool]
    record: Callable[[], dict[str, Any]] | None = None


class Saver:
    """Saves the checkpoints of rank 0, which alone writes. Not thread-safe.

    The next `save`, `wait` or `raise_if_failed` raises an error of the background thread, and so does each later call.
    A process that exits without `wait` misses the error of its last save.
    """

    def __init__(
        self,
        job: Job,
        plan: Plan,
        origin: Origin,
        progress: Progress,
        recorded: ProgressReader,
        milestones: frozenset[int],
    ) -> None:
        """Starts the thread. `milestones` are the epochs whose checkpoint is kept, unless the plan lists others."""
        self._job = job
        self._plan = plan
        self._origin = origin
        self._progress = progress
        self._recorded = recorded
        self._milestones = milestones if plan.milestones is None else plan.milestones
        self._background = ThreadPoolExecutor(max_workers=1, thread_name_prefix="saver")
        self._unfinished: list[Future[None]] = []
        self._newest: Checkpoint | None = None
        self._saves, self._blocked_seconds = 0, 0.0
        # Iteration of the newest save that was started.
        self.saved_iteration: int | None = None

    @property
    def mean_blocked_seconds(self) -> float:
        """Mean time that a save blocks training; 0 before the first."""
        return self._blocked_seconds / max(1, self._saves)

    def interval_seconds(self) -> float:
        """Returns the planned time between two saves, by what the run has recorded so far."""
        events = self._recorded.events()
        return seconds_between_saves(self._plan, events, self.mean_blocked_seconds, estimate_epoch_seconds(events))

    def save(self, state: StateCopy, *, request: int, blocked_since: float) -> None:
        """Waits for the previous save, then starts this one in the background. Raises the error of an earlier save.

        `request` is the newest `checkpointNow` that this save serves. `blocked_since` is the time.monotonic() at which
        training stopped for the copy.
        """
        self.wait()
        self.saved_iteration = state.iteration
        blocked_seconds = time.monotonic() - blocked_since
        self._saves += 1
        self._blocked_seconds += blocked_seconds
        self._unfinished.append(self._background.submit(self._save, state, request, blocked_since, blocked_seconds))

    def retain(self) -> None:
        """Applies retention in the background, after a save in flight.

        Call it after a validation, which may change the best checkpoint.
        """
        self._unfinished.append(self._background.submit(self._retain))

    def wait(self) -> None:
        """Waits until nothing is in flight. Raises the error of a save."""
        for future in self._unfinished:
            future.result()
        self._unfinished.clear()

    def raise_if_failed(self) -> None:
        """Raises the error of a save without waiting for one in flight. Call it at each step."""
        for future in self._unfinished:
            if future.done():
                future.result()

    def _save(self, state: StateCopy, request: int, blocked_since: float, blocked_seconds: float) -> None:
        self._job.checkpoints.mkdir(exist_ok=True)
        require_checkpoint_space(self._job.checkpoints, state.size_bytes)
        if not state.is_finite():
            # Retention would replace good checkpoints with this one.
            self._progress.write("warning", message=f"not saved at step {state.iteration}: the weights are not finite")
            return
        if state.record:
            # Before the checkpoint: a crash in between repeats the record, and never leaves an epoch without one.
            self._progress.write("epoch", epoch=state.epoch, iteration=state.iteration, **state.record())
        self._newest = save_checkpoint(self._job.checkpoints, state.epoch, state.iteration, self._origin, state.write)
        self._progress.write(
            "checkpoint",
            file=self._newest.path.name,
            epoch=state.epoch,
            iteration=state.iteration,
            bytes=self._newest.bytes,
            sha256=self._newest.sha256,
            seconds=time.monotonic() - blocked_since,
            blockedSeconds=blocked_seconds,
            checkpointNow=request,
            intervalSeconds=self.interval_seconds(),
        )
        self._retain()

    def _retain(self) -> None:
        """Deletes old checkpoints. An error does not end the training, because the next call repeats it."""
        try:
            self._delete_old()
        except OSError as error:
            self._progress.write("warning", message=f"old checkpoints were not deleted: {error}")

    def _delete_old(self) -> None:
        if self._newest is None:
            return
        events = self._recorded.events()
        lengths = [event["iterationsPerEpoch"] for event in events if event["type"] == "started"]
        # Without a `started` event the length of an epoch is unknown.
        milestones = epoch_end_positions(self._milestones, lengths[-1]) if lengths else frozenset()
        scores = box_average_precision(events)
        apply_retention(self._job.checkpoints, self._newest, self._plan.keep_last, milestones, scores)
