"""Reads control.json, through which the worker controls a running trainer (docs/trainer-contract.md)."""

import math
from dataclasses import dataclass
from typing import Any

from everswin_trainer.job.folder import Job
from everswin_trainer.job.plan import Plan
from everswin_trainer.system.atomic_file import read_json


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
    def load(cls, job: Job, plan: Plan) -> "TrainerControl":
        """Reads the file. A missing or invalid value falls back to the plan, so that it never ends a training run."""
        content = read_json(job.control) or {}
        factor = content.get("learningRateFactor")
        return cls(
            epochs=_integer(content.get("epochs"), minimum=1, default=plan.epochs),
            checkpoint_now=_integer(content.get("checkpointNow"), minimum=0, default=0),
            learning_rate_factor=float(factor) if _is_factor(factor) else 1.0,
            fp32=content.get("fp32") is True,
            accumulate=_integer(content.get("accumulate"), minimum=1, default=1),
            gpus=_integer(content.get("gpus"), minimum=1, default=plan.gpus),
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
        """Returns the current control values."""
        version = self._stat()
        if version != self._version:
            # The version is older than the read, so the next call detects a change in between.
            self._version, self._control = version, TrainerControl.load(self._job, self._plan)
        return self._control

    def _stat(self) -> tuple[int, int, int] | None:
        """Returns the version of the file, which changes with each replacement; None without a file."""
        try:
            status = self._job.control.stat()
        except FileNotFoundError:
            return None
        return status.st_mtime_ns, status.st_ino, status.st_size


def _integer(value: Any, minimum: int, default: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= minimum else default


def _is_factor(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and value > 0
