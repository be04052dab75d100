"""Hook for tools/train.py that records the end of each step, one per line: iteration, Unix seconds."""

import time
from pathlib import Path
from typing import Any

from mmengine.hooks import Hook
from mmengine.registry import HOOKS

STEP_TIMES_FILE = "step-times"


@HOOKS.register_module()
class StepTimes(Hook):
    def __init__(self, file: str) -> None:
        self._file = open(Path(file), "a", buffering=1)  # noqa: SIM115  (as long as the training)

    def after_train_iter(self, runner: Any, *_: object, **__: object) -> None:
        self._file.write(f"{runner.iter + 1} {time.time():.6f}\n")
