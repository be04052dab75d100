"""Decides from the losses whether training has diverged."""

import math

# Mixed precision recovers from a few of them.
LOST_STEPS = 5


class LossWatch:
    """Counts consecutive steps whose loss is not finite."""

    def __init__(self) -> None:
        self.lost_steps = 0

    def observe(self, loss: float, iteration: int) -> None:
        """Raises FloatingPointError when `loss` completes LOST_STEPS such steps."""
        self.lost_steps = 0 if math.isfinite(loss) else self.lost_steps + 1
        if self.lost_steps == LOST_STEPS:
            steps = f"{iteration - LOST_STEPS + 1}-{iteration}"
            raise FloatingPointError(f"training diverged: the loss was not finite in steps {steps}")
