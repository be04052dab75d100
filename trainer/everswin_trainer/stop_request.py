"""SIGTERM in a rank: remembered, and honoured where nothing is half done."""

import signal
from types import FrameType

# What a shell reports for a process that SIGTERM ended; torchrun passes nothing on anyway.
PREEMPTED_EXIT_CODE = 143


class Preempted(Exception):
    """We were told to stop and everything up to this position is on disk."""

    def __init__(self, epoch: int, iteration: int) -> None:
        super().__init__(f"told to stop after epoch {epoch}, step {iteration}")
        self.epoch = epoch
        self.iteration = iteration


class StopRequest:
    """Installed once, early; `raised` turns true when SIGTERM comes and stays so."""

    def __init__(self) -> None:
        self.raised = False

    def install(self) -> "StopRequest":
        signal.signal(signal.SIGTERM, self._raise)
        return self

    def _raise(self, _number: int, _frame: FrameType | None) -> None:
        self.raised = True
