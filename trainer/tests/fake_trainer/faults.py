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
        "Faults at the end of step N of the run, before its event is written. A save in flight is completed first, "
        "so that the content of the disk is known.",
    )
    faults.add_argument("--fault-attempt", type=int, help="only in this attempt (default: every attempt)")
    faults.add_argument("--fail-at-step", type=int, metavar="N", help="raises, or ends with --fail-code")
    faults.add_argument("--fail-code", type=int)
    faults.add_argument("--fail-message", default="the fake trainer was configured to fail")
    faults.add_argument("--kill-at-step", type=int, metavar="N", help="kills itself with SIGKILL")
    faults.add_argument(
        "--kill-while-saving", type=int, metavar="N", help="kills itself halfway through that checkpoint"
    )
    faults.add_argument("--hang-at-step", type=int, metavar="N", help="hangs without exiting")
    faults.add_argument(
        "--nan-at-step", type=int, metavar="N", help="the loss is NaN from here on, unless the learning rate is lowered"
    )
    faults.add_argument(
        "--oom-at-step", type=int, metavar="N", help="runs out of GPU memory, unless gradients are accumulated"
    )
    faults.add_argument("--ignore-sigterm", action="store_true")


class Faults:
    """Injects the faults of this attempt."""

    def __init__(self, arguments: argparse.Namespace, attempt: Attempt, control: TrainerControl) -> None:
        self._arguments = arguments
        self._control = control
        self._armed = arguments.fault_attempt in (None, attempt.number)

    def strike(self, step: int, finish_save: Callable[[], None]) -> None:
        """Kills, fails or hangs this process if a fault is due at this step."""
        arguments = self._arguments
        struck = (arguments.kill_at_step, arguments.hang_at_step, arguments.fail_at_step, arguments.oom_at_step)
        if not self._armed or step not in struck:
            return
        finish_save()
        if step == arguments.kill_at_step:
            os.kill(os.getpid(), signal.SIGKILL)
        if step == arguments.hang_at_step:
            while True:
                time.sleep(3600)
        if step == arguments.oom_at_step and self._control.accumulate == 1:
            raise RuntimeError(OUT_OF_MEMORY)
        if step == arguments.fail_at_step:
            if arguments.fail_code is not None:
                sys.exit(arguments.fail_code)
            raise RuntimeError(arguments.fail_message)

    def strike_while_saving(self, step: int) -> None:
        """Kills this process if that fault is due at the save of this step."""
        if self._armed and step == self._arguments.kill_while_saving:
            os.kill(os.getpid(), signal.SIGKILL)

    def loss_is_lost(self, step: int) -> bool:
        """Returns whether the loss is NaN at this step; a lower learning rate prevents it."""
        begin = self._arguments.nan_at_step
        return self._armed and begin is not None and step >= begin and self._control.learning_rate_factor >= 1


def leave_error_file(error: Exception) -> None:
    """Writes the error file that torchelastic's `record` writes for a rank that raised."""
    path = os.environ.get("TORCHELASTIC_ERROR_FILE")
    if path:
        message = {"message": f"{type(error).__name__}: {error}", "extraInfo": {"timestamp": str(int(time.time()))}}
        write_json(Path(path), {"message": message})
