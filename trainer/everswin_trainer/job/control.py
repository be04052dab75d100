"""Reads control.json, through which the worker controls a running trainer (docs/reference/trainer-contract.md)."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from everswin_trainer.job.folder import Job
from everswin_trainer.job.plan import Plan
from everswin_trainer.system.atomic_file import parse_object
from everswin_trainer.system.json_fields import is_integer, is_number


@dataclass(frozen=True)
class TrainerControl:
    """Control values. `epochs` and `checkpoint_now` may change during training; the others are read at its start."""

    epochs: int
    checkpoint_now: int
    learning_rate_factor: float
    fp32: bool
    accumulate: int
    # Ranks that train; fewer than planned if GPUs have failed.
    gpus: int

    @classmethod
    def planned(cls, plan: Plan) -> "TrainerControl":
        """Returns the values of a training without any request."""
        return cls(plan.epochs, 0, 1.0, False, 1, plan.gpus)

    @classmethod
    def load(cls, job: Job, plan: Plan, current: "TrainerControl | None" = None) -> "TrainerControl":
        """Reads the file. A missing file stands for the plan.

        A missing or invalid value never ends a training run: it keeps its current value, at first that of the plan.
        Raises OSError if the file cannot be read: training with other values than the requested ones is worse.
        """
        planned = cls.planned(plan)
        try:
            content = parse_object(job.control.read_bytes()) or {}
        except FileNotFoundError:
            return planned
        default = current or planned
        factor, fp32 = content.get("learningRateFactor"), content.get("fp32")
        return cls(
            epochs=_integer(content.get("epochs"), minimum=1, default=default.epochs),
            checkpoint_now=_integer(content.get("checkpointNow"), minimum=0, default=default.checkpoint_now),
            learning_rate_factor=float(factor) if is_number(factor) and factor > 0 else default.learning_rate_factor,
            fp32=fp32 if isinstance(fp32, bool) else default.fp32,
            accumulate=_integer(content.get("accumulate"), minimum=1, default=default.accumulate),
            gpus=_integer(content.get("gpus"), minimum=1, default=default.gpus),
        )

    def fixed(self) -> dict[str, Any]:
        """Returns the values that hold from the start of a trainer to its end, as the event `started` records them."""
        return {
            "learningRateFactor": self.learning_rate_factor,
            "fp32": self.fp32,
            "accumulate": self.accumulate,
            "gpus": self.gpus,
        }


class ControlFile:
    """Caches the control values and reads the file again only when it has changed, so every step can check it."""

    def __init__(self, job: Job, plan: Plan) -> None:
        self._job = job
        self._plan = plan
        self._version = self._stat()
        self._control = TrainerControl.load(job, plan)

    def now(self) -> TrainerControl:
        """Returns the current control values: the previous ones while the file cannot be read."""
        with suppress(OSError):
            version = self._stat()
            if version != self._version:
                # The version is older than the read, so the next call detects a change in between.
                self._control = TrainerControl.load(self._job, self._plan, self._control)
                self._version = version
        return self._control

    def _stat(self) -> tuple[int, int, int] | None:
        """Returns the version of the file, which changes with each replacement; None without a file."""
        try:
            status = self._job.control.stat()
        except FileNotFoundError:
            return None
        return status.st_mtime_ns, status.st_ino, status.st_size


def _integer(value: Any, minimum: int, default: int) -> int:
    return value if is_integer(value, minimum) else default
