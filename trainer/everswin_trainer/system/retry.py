"""Repeats an action after errors of the machine that may pass, such as EMFILE, ENOMEM or EIO."""

import time
from collections.abc import Callable
from typing import TypeVar

AGAIN_SECONDS = 0.5

Result = TypeVar("Result")


def retry_os_errors(action: Callable[[], Result], seconds: float) -> Result:
    """Calls `action` until it raises no OSError. Raises the error if it still occurs after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return action()
        except OSError:
            if time.monotonic() > deadline:
                raise
        time.sleep(AGAIN_SECONDS)
