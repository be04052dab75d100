"""Handles SIGTERM in a rank: records it, so that training stops between two steps.

torchrun sends the signal for two reasons. If a stop was requested, a checkpoint is worth a few seconds. If another rank
died, this rank may wait for it indefinitely in a collective, and torchrun would kill it only after 30 s. The
supervisor's `stop` file distinguishes the two.
"""

import os
import signal
import threading
import time
from collections.abc import Callable

# Exit code that a shell reports for a process that SIGTERM ended.
PREEMPTED_EXIT_CODE = 143
# A shutdown signals the supervisor and us at the same time; the supervisor needs a moment to create its file.
PATIENCE_SECONDS = 2.0


class Preempted(Exception):
    """Raised after a requested stop, once everything up to this position is on disk."""

    def __init__(self, epoch: int, iteration: int) -> None:
        super().__init__(f"stopped on request after epoch {epoch}, step {iteration}")
        self.epoch = epoch
        self.iteration = iteration


class StopRequest:
    """Sets `requested` once SIGTERM arrives and `is_requested()` confirms the stop."""

    def __init__(self, is_requested: Callable[[], bool]) -> None:
        self.requested = False
        self._is_requested = is_requested

    def install(self) -> "StopRequest":
        """Installs the handler. A thread listens, because the main thread may block where Python runs no handler."""
        read_end, write_end = os.pipe()
        os.set_blocking(write_end, False)
        signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, lambda _number, _frame: None)
        threading.Thread(target=self._listen, args=(read_end,), name="stop-request", daemon=True).start()
        return self

    def _listen(self, pipe: int) -> None:
        while os.read(pipe, 1)[0] != signal.SIGTERM:
            pass
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self._is_confirmed():
            if time.monotonic() > deadline:
                os._exit(PREEMPTED_EXIT_CODE)
            time.sleep(0.02)
        self.requested = True

    def _is_confirmed(self) -> bool:
        """Returns whether the stop was requested. A disk that does not answer does not end the thread that listens."""
        try:
            return self._is_requested()
        except OSError:
            return False
