"""Hook that computes a moving average of one parameter with plain numbers, next to MMEngine's EMAHook.

Rank 0 writes it to `averages.jsonl` in its working directory after each epoch, and the values that are validated.
"""

import json
import math
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from everswin_trainer.training.state import bare_model

PARAMETER = "roi_head.bbox_head.0.fc_reg.bias"


@HOOKS.register_module()
class AverageRecorder(Hook):
    def __init__(self, momentum: float, gamma: float) -> None:
        self._momentum = momentum
        self._gamma = gamma
        self._steps = 0
        self._average: list[float] = []

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        source = values(runner)
        # As in mmdet.models.layers.ExpMomentumEMA: the first step copies, and the share of new values then falls.
        share = (1 - self._momentum) * math.exp(-(1 + self._steps) / self._gamma) + self._momentum
        if self._steps == 0:
            self._average = source
        else:
            self._average = [old + share * (new - old) for old, new in zip(self._average, source, strict=True)]
        self._steps += 1

    def after_train_epoch(self, runner: Runner) -> None:
        write("trained", {"average": self._average, "source": values(runner)})

    def before_val_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        write("validated", values(runner))


def values(runner: Runner) -> list[float]:
    return bare_model(runner).get_parameter(PARAMETER).tolist()


def write(what: str, content: Any) -> None:
    if is_main_process():
        with open("averages.jsonl", "a") as stream:
            stream.write(json.dumps({what: content}) + "\n")
