"""SIGTERM in a rank: remembered, and honoured where nothing is half done.

torchrun sends the same signal for two reasons. Somebody wants us to stop: then a checkpoint is worth a few seconds. Or
another rank died: then this one may be waiting for it for ever, deep in a collective, and torchrun would give it 30 s.
The supervisor's `stop` file tells them apart.
"""

import os
import signal
import threading
import time
from collections.abc import Callable

# What a shell reports for a process that SIGTERM ended.
PREEMPTED_EXIT_CODE = 143
# A machine that shuts down signals the supervisor and us at the same time; it needs a moment to leave its file.
PATIENCE_SECONDS = 2.0


class Preempted(Exception):
    """We were told to stop and everything up to this position is on disk."""

    def __init__(self, epoch: int, iteration: int) -> None:
        super().__init__(f"told to stop after epoch {epoch}, step {iteration}")
        self.epoch = epoch
        self.iteration = iteration


class StopRequest:
    """`raised` turns true when a stop is wanted, and stays so."""

    def __init__(self, is_requested: Callable[[], bool]) -> None:
        self.requested = False
        self._is_requested = is_requested

    def install(self) -> "StopRequest":
        """From now on SIGTERM is ours. A thread listens: the main one may be stuck where Python runs no handler."""
        listen, speak = os.pipe()
        os.set_blocking(speak, False)
        signal.set_wakeup_fd(speak, warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, lambda _number, _frame: None)
        threading.Thread(target=self._listen, args=(listen,), name="stop-request", daemon=True).start()
        return self

    def _listen(self, pipe: int) -> None:
        while os.read(pipe, 1)[0] != signal.SIGTERM:
            pass
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self._is_requested():
            if time.monotonic() > deadline:
                os._exit(PREEMPTED_EXIT_CODE)
            time.sleep(0.02)
        self.requested = True
