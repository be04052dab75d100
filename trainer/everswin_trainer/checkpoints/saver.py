"""Saves checkpoints in the background: training stands still only while its state is copied.

One thread does all that changes the folder of checkpoints, one job after another, so that nothing is deleted while
something is saved. Python waits for it at the end of a process that ends in order or by an exception: a rank that fails
still finishes the save that it began.
"""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import BinaryIO

from everswin_trainer.checkpoints.checkpoint import Checkpoint, Origin, save
from everswin_trainer.checkpoints.retention import ends_of_epochs, retain
from everswin_trainer.job.folder import Job
from everswin_trainer.job.plan import Plan
from everswin_trainer.job.progress import Progress, box_average_precision, read_events
from everswin_trainer.system.disk_space import require_space


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

    def save(
        self,
        epoch: int,
        iteration: int,
        write: Callable[[BinaryIO], None],
        need_bytes: int,
        is_sound: Callable[[], bool],
        order: int,
        blocked_since: float,
    ) -> None:
        """Waits for the save before it, if that is still in flight, and starts this one.

        `write` and `is_sound` run in the background, on a copy that training no longer changes; nothing is saved that
        is not sound. `blocked_since` is time.monotonic() when training stopped for the copy. Raises the error of an
        earlier save.
        """
        self.wait()
        self.saved_iteration = iteration
        blocked_seconds = time.monotonic() - blocked_since
        self._saves += 1
        self._blocked_seconds += blocked_seconds

        def work() -> None:
            self._job.checkpoints.mkdir(exist_ok=True)
            require_space(self._job.checkpoints, need_bytes)
            if not is_sound():
                # Saving would push the last good checkpoints out.
                self._progress.write("warning", message=f"not saved at step {iteration}: the weights are not finite")
                return
            self._newest = save(self._job.checkpoints, epoch, iteration, self._origin, write)
            self._progress.write(
                "checkpoint",
                file=self._newest.path.name,
                epoch=epoch,
                iteration=iteration,
                bytes=self._newest.bytes,
                sha256=self._newest.sha256,
                seconds=time.monotonic() - blocked_since,
                blockedSeconds=blocked_seconds,
                order=order,
            )
            self._retain()

        self._unfinished.append(self._background.submit(work))

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

    def _retain(self) -> None:
        if self._newest is None:
            return
        events = read_events(self._job.progress)
        lengths = [event["iterationsPerEpoch"] for event in events if event["type"] == "started"]
        # Who did not say how long an epoch is has no milestones.
        milestones = ends_of_epochs(self._milestones, lengths[-1]) if lengths else frozenset()
        scores = box_average_precision(events)
        retain(self._job.checkpoints, self._newest, self._plan.keep_last, milestones, scores)
