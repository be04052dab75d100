"""Faults that the fake trainer injects on demand, and the error file that it leaves."""

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from everswin_trainer.job.control import TrainerControl
from everswin_trainer.job.folder import Attempt
from everswin_trainer.system.atomic_file import write_json

OUT_OF_MEMORY = "CUDA out of memory. Tried to allocate 2.00 GiB."


def add_fault_arguments(parser: argparse.ArgumentParser) -> None:
    faults = parser.add_argument_group(
        "faults",
        "At the end of step N of the run, before anything is said about it. A save in flight is finished first, so "
        "that what is on disk is known.",
    )
    faults.add_argument("--fault-attempt", type=int, help="only in this attempt (default: in every one)")
    faults.add_argument("--fail-at-step", type=int, metavar="N", help="raises, or ends with --fail-code")
    faults.add_argument("--fail-code", type=int)
    faults.add_argument("--fail-message", default="the fake trainer was told to fail")
    faults.add_argument("--kill-at-step", type=int, metavar="N", help="SIGKILL to itself")
    faults.add_argument("--kill-while-saving", type=int, metavar="N", help="SIGKILL half way through that checkpoint")
    faults.add_argument("--hang-at-step", type=int, metavar="N", help="stops stepping but stays alive")
    faults.add_argument(
        "--nan-at-step", type=int, metavar="N", help="no finite loss from here on, unless the learning rate is lowered"
    )
    faults.add_argument("--oom-at-step", type=int, metavar="N", help="out of GPU memory, unless batches are cut up")
    faults.add_argument("--ignore-sigterm", action="store_true")


class Faults:
    """Those that strike in this attempt."""

    def __init__(self, arguments: argparse.Namespace, attempt: Attempt, control: TrainerControl) -> None:
        self._asked = arguments
        self._control = control
        self._armed = arguments.fault_attempt in (None, attempt.number)

    def strike(self, step: int, finish_save: Callable[[], None]) -> None:
        """Ends or hangs this process if that was asked for at this step."""
        asked = self._asked
        struck = (asked.kill_at_step, asked.hang_at_step, asked.fail_at_step, asked.oom_at_step)
        if not self._armed or step not in struck:
            return
        finish_save()
        if step == asked.kill_at_step:
            os.kill(os.getpid(), signal.SIGKILL)
        if step == asked.hang_at_step:
            while True:
                time.sleep(3600)
        if step == asked.oom_at_step and self._control.accumulate == 1:
            raise RuntimeError(OUT_OF_MEMORY)
        if step == asked.fail_at_step:
            if asked.fail_code is not None:
                sys.exit(asked.fail_code)
            raise RuntimeError(asked.fail_message)

    def strike_while_saving(self, step: int) -> None:
        if self._armed and step == self._asked.kill_while_saving:
            os.kill(os.getpid(), signal.SIGKILL)

    def loss_is_lost(self, step: int) -> bool:
        """A lower learning rate heals it, as it does in life."""
        begin = self._asked.nan_at_step
        return self._armed and begin is not None and step >= begin and self._control.learning_rate_factor >= 1


def leave_error_file(error: Exception) -> None:
    """What torchelastic's `record` leaves for a rank that raised."""
    path = os.environ.get("TORCHELASTIC_ERROR_FILE")
    if path:
        message = {"message": f"{type(error).__name__}: {error}", "extraInfo": {"timestamp": str(int(time.time()))}}
        write_json(Path(path), {"message": message})
