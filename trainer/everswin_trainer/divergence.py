"""Ends training that has diverged, so that somebody can go back to an earlier checkpoint instead of burning hours."""

import math
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

# Mixed precision steps over a lost loss now and then and recovers.
LOST_STEPS = 5


class DivergenceHook(Hook):
    """Raises FloatingPointError after so many steps running whose loss was not finite.

    On any rank: the gradients of one spoil all. Costs nothing: MMEngine's RuntimeInfoHook has fetched the loss from
    the GPU already, at each step.
    """

    # After the hook that writes the step down.
    priority = "LOWEST"

    def __init__(self) -> None:
        self._lost = 0

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        loss = runner.message_hub.get_scalar("train/loss").current()
        self._lost = 0 if math.isfinite(loss) else self._lost + 1
        if self._lost == LOST_STEPS:
            done = runner.iter + 1
            steps = f"{done - LOST_STEPS + 1}-{done}"
            raise FloatingPointError(f"training diverged: the loss was not finite in steps {steps}")
