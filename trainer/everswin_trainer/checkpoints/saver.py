"""Saves checkpoints in the background: training stands still only while its state is copied.

One thread does all that changes the folder of checkpoints, one job after another, so that nothing is deleted while
something is saved. Python waits for it at the end of a process that ends in order or by an exception: a rank that fails
still finishes the save that it began.
"""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import BinaryIO

from everswin_trainer.checkpoints.checkpoint import Checkpoint, Origin, save_checkpoint
from everswin_trainer.checkpoints.retention import apply_retention, epoch_end_positions
from everswin_trainer.job.folder import Job
from everswin_trainer.job.plan import Plan
from everswin_trainer.job.progress import Progress, box_average_precision, read_events
from everswin_trainer.system.disk_space import require_checkpoint_space


@dataclass(frozen=True)
class StateCopy:
    """A copy of the training state that training no longer changes.

    `write` and `is_finite` run in the background. `size_bytes` is the expected size of the file.
    """

    epoch: int
    iteration: int
    size_bytes: int
    write: Callable[[BinaryIO], None]
    is_finite: Callable[[], bool]


class Saver:
    """Of the first rank, which alone writes. Not for several threads.

    An error of the background is raised by the next `save`, `wait` or `raise_if_failed`, and by every one after it.
    Whoever ends the process without `wait` never hears of it.
    """

    def __init__(self, job: Job, plan: Plan, origin: Origin, progress: Progress, milestones: frozenset[int]) -> None:
        """`milestones` are the epochs whose checkpoint stays for ever, unless the plan names others."""
        self._job = job
        self._plan = plan
        self._origin = origin
        self._progress = progress
        self._milestones = milestones if plan.milestones is None else plan.milestones
        self._background = ThreadPoolExecutor(max_workers=1, thread_name_prefix="saver")
        self._unfinished: list[Future[None]] = []
        self._newest: Checkpoint | None = None
        self._saves, self._blocked_seconds = 0, 0.0
        # Of the newest save that was started.
        self.saved_iteration: int | None = None

    @property
    def mean_blocked_seconds(self) -> float:
        """How long a save keeps training waiting; 0 before the first."""
        return self._blocked_seconds / max(1, self._saves)

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
        """After a validation: what it changes about the best takes effect, in the background after a save in flight."""
        self._unfinished.append(self._background.submit(self._retain))

    def wait(self) -> None:
        """Returns when nothing is in flight. Raises the error of a save."""
        for job in self._unfinished:
            job.result()
        self._unfinished.clear()

    def raise_if_failed(self) -> None:
        """Raises the error of a save, without waiting for one in flight: to be called at each step."""
        for job in self._unfinished:
            if job.done():
                job.result()

    def _save(self, state: StateCopy, request: int, blocked_since: float, blocked_seconds: float) -> None:
        self._job.checkpoints.mkdir(exist_ok=True)
        require_checkpoint_space(self._job.checkpoints, state.size_bytes)
        if not state.is_finite():
            # Retention would replace good checkpoints with this one.
            self._progress.write("warning", message=f"not saved at step {state.iteration}: the weights are not finite")
            return
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
            order=request,
        )
        self._retain()

    def _retain(self) -> None:
        if self._newest is None:
            return
        events = read_events(self._job.progress)
        lengths = [event["iterationsPerEpoch"] for event in events if event["type"] == "started"]
        # Who did not say how long an epoch is has no milestones.
        milestones = epoch_end_positions(self._milestones, lengths[-1]) if lengths else frozenset()
        scores = box_average_precision(events)
        apply_retention(self._job.checkpoints, self._newest, self._plan.keep_last, milestones, scores)
