"""Decides from the losses whether training has diverged."""

import math

# Mixed precision steps over a lost loss now and then and recovers.
LOST_STEPS = 5


class LossWatch:
    """Counts steps running whose loss was not finite."""

    def __init__(self) -> None:
        self.lost_steps = 0

    def see(self, loss: float, iteration: int) -> None:
        """Raises FloatingPointError when the loss of `iteration` is one too many."""
        self.lost_steps = 0 if math.isfinite(loss) else self.lost_steps + 1
        if self.lost_steps == LOST_STEPS:
            steps = f"{iteration - LOST_STEPS + 1}-{iteration}"
            raise FloatingPointError(f"training diverged: the loss was not finite in steps {steps}")
