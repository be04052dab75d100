"""Writes the progress of training to progress.jsonl."""

import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mmcv
import mmdet
import mmengine
import torch
import torchvision
from mmengine.hooks import Hook
from mmengine.runner import Runner

from everswin_trainer.metrics.coco_scores import scores_of_validation
from everswin_trainer.training.context import Context
from everswin_trainer.training.message_hub import limit
from everswin_trainer.training.mfu import MfuMeter

BYTES_PER_MEBIBYTE = 1 << 20


class ProgressHook(Hook):
    """Writes the events `started`, `step` and `validation`."""

    # Runs after the hooks that step schedulers and fill the message hub, and before the one that saves.
    priority = "VERY_LOW"

    def __init__(self, context: Context, resumed_from: Path | None, mfu: MfuMeter | None) -> None:
        """Reports no MFU without a meter."""
        self._context = context
        self._mfu = mfu
        self._progress = context.progress
        self._rank = context.rank
        self._resumed_from = resumed_from
        self._clock = StepClock(time.monotonic)
        self._validates_since = 0.0

    def before_train(self, runner: Runner) -> None:
        pids = self._rank.gather(os.getpid())
        position, per_epoch = (runner.epoch, runner.iter), len(runner.train_dataloader)
        package_versions = versions(self._rank.device)
        self._context.write_started(position, per_epoch, runner.max_epochs, self._resumed_from, pids, package_versions)

    def before_train_epoch(self, runner: Runner) -> None:
        self._clock.wait()

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        self._clock.data_arrived()

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict[str, torch.Tensor] | None = None
    ) -> None:
        # The other ranks have batches of the same size, on average.
        self._clock.step_done(self._rank.world * len(data_batch["inputs"]))
        done = runner.iter + 1
        epoch_ends = done % len(runner.train_dataloader) == 0
        if self._progress and (epoch_ends or done % self._context.plan.log_every_steps == 0):
            # LossesHook has recorded those of this step.
            losses = {name: runner.message_hub.get_scalar(f"train/{name}").current() for name in outputs or {}}
            means = self._clock.means()
            self._progress.write(
                "step",
                epoch=runner.epoch + 1,
                iteration=done,
                loss=losses.pop("loss", None),
                losses=losses,
                lr=runner.message_hub.get_scalar("train/lr").current(),
                stepSeconds=means.step_seconds,
                dataSeconds=means.data_seconds,
                imagesPerSecond=means.images_per_second,
                mfu=self._mfu.take(means.seconds) if self._mfu else None,
                etaSeconds=(runner.max_iters - done) * means.step_seconds,
                memoryMb=peak_memory_mb(self._rank.device),
            )
        self._clock.wait()

    def after_train_epoch(self, runner: Runner) -> None:
        limit(runner.message_hub)

    def before_val_epoch(self, runner: Runner) -> None:
        self._validates_since = time.monotonic()

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        if self._progress:
            scores = scores_of_validation(metrics or {}, self._context.data.annotations("val"))
            if not metrics:
                self._progress.write("warning", message=f"epoch {runner.epoch}: no object was detected in any image")
            seconds = time.monotonic() - self._validates_since
            self._progress.write("validation", epoch=runner.epoch, iteration=runner.iter, seconds=seconds, **scores)


@dataclass(frozen=True)
class StepMeans:
    """`seconds` is the duration of all steps. A step includes the wait for its data, and no validation."""

    seconds: float
    step_seconds: float
    data_seconds: float
    images_per_second: float


class StepClock:
    """Measures steps, the waits for their data and their images since the last call of `means`."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._since = now()
        self._reset()

    def wait(self) -> None:
        self._since = self._now()

    def data_arrived(self) -> None:
        self._waited += self._now() - self._since

    def step_done(self, images: int) -> None:
        self._steps += 1
        self._images += images
        self._seconds += self._now() - self._since

    def means(self) -> StepMeans:
        """Returns the means and resets them."""
        seconds, steps = self._seconds, self._steps
        means = StepMeans(seconds, seconds / steps, self._waited / steps, self._images / seconds)
        self._reset()
        return means

    def _reset(self) -> None:
        self._steps, self._images, self._seconds, self._waited = 0, 0, 0.0, 0.0


def versions(device: str) -> dict[str, str]:
    """Returns the versions of Python and its packages for the report."""
    result = {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "mmdet": mmdet.__version__,
        "mmengine": mmengine.__version__,
        "mmcv": mmcv.__version__,
    }
    return {**result, "gpu": torch.cuda.get_device_name()} if device == "cuda" else result


def peak_memory_mb(device: str) -> float | None:
    """Returns the peak GPU memory of this rank's tensors in MiB, or None on a CPU."""
    return torch.cuda.max_memory_allocated() / BYTES_PER_MEBIBYTE if device == "cuda" else None
