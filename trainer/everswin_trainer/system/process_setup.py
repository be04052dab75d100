"""Prepares a rank before the heavy libraries are imported."""

import faulthandler
import gc
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def imports_without_gc() -> Iterator[None]:
    """Stops garbage collection during imports, which takes a fifth of their time. What they make stays for good."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def prepare_process(device: str) -> None:
    """Sets signal handler and environment. Call it before MMEngine and MMDetection are imported, which read both."""
    # SIGUSR1 dumps the stacks of all threads to the log, to diagnose a hang.
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    # Without this, MMEngine falls back to unsafe loading when safe loading refuses a file.
    os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"] = "1"
    if device == "cpu":
        # MMEngine uses a GPU whenever it finds one.
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
