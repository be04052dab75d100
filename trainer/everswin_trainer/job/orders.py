"""orders.json: what the worker wants of a running trainer, beyond the plan (docs/trainer-contract.md)."""

import math
from dataclasses import dataclass
from typing import Any

from everswin_trainer.job.folder import Job
from everswin_trainer.job.plan import Plan
from everswin_trainer.system.atomic_file import read_json


@dataclass(frozen=True)
class Orders:
    """`epochs` and `checkpoint_now` may change while training runs; the rest is read when it starts."""

    epochs: int
    checkpoint_now: int
    learning_rate_factor: float
    fp32: bool
    accumulate: int

    @classmethod
    def load(cls, job: Job, plan: Plan) -> "Orders":
        """What is missing or makes no sense is taken as not ordered: a bad order must not end a good training."""
        content = read_json(job.orders) or {}
        factor = content.get("learningRateFactor")
        return cls(
            epochs=_whole(content.get("epochs"), least=1, otherwise=plan.epochs),
            checkpoint_now=_whole(content.get("checkpointNow"), least=0, otherwise=0),
            learning_rate_factor=float(factor) if _is_factor(factor) else 1.0,
            fp32=content.get("fp32") is True,
            accumulate=_whole(content.get("accumulate"), least=1, otherwise=1),
        )


class OrdersFile:
    """The orders as they are now, cheap enough to be asked for at each step: the file is read only when it changed."""

    def __init__(self, job: Job, plan: Plan) -> None:
        self._job = job
        self._plan = plan
        self._version = self._look()
        self._orders = Orders.load(job, plan)

    def now(self) -> Orders:
        version = self._look()
        if version != self._version:
            # Looked at before it is read, so that a change in between is seen next time.
            self._version, self._orders = version, Orders.load(self._job, self._plan)
        return self._orders

    def _look(self) -> tuple[int, int, int] | None:
        """What changes whenever the worker puts another file in its place; None where there is none."""
        try:
            found = self._job.orders.stat()
        except FileNotFoundError:
            return None
        return found.st_mtime_ns, found.st_ino, found.st_size


def _whole(value: Any, least: int, otherwise: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= least else otherwise


def _is_factor(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and value > 0
