"""Detections of a checkpoint on the validation images, by MMDetection's own test loop."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch.distributed as dist
from mmengine.config import Config
from mmengine.hooks import Hook

from . import batches  # noqa: F401  (registers what build_config names)
from .build_config import build_config
from .coco_scores import IOU_TYPES, MMDET_NAMES, Scores
from .dataset import CocoFolder
from .everswin_runner import EverswinRunner, build_runner
from .job import Job
from .plan import Plan
from .progress import Progress
from .rank import Rank
from .state import read
from .training import enter_work_dir

# MMDetection rounds to three digits.
ROUNDING = 0.0011
REPORT_EVERY_SECONDS = 2.0


@dataclass(frozen=True)
class Detection:
    """`progress` is None on all ranks but the first. Writes `<prefix>.bbox.json` and `<prefix>.segm.json`."""

    plan: Plan
    recipe: Config
    data: CocoFolder
    job: Job
    rank: Rank
    progress: Progress | None
    checkpoint: Path
    prefix: Path

    def run(self) -> dict[str, Any]:
        """Returns what CocoMetric reported; empty when nothing was detected."""
        self.rank.connect()
        work_dir = enter_work_dir(self.job)
        config = build_config(self.recipe, self.plan, self.data, work_dir, self.rank.device, None).config
        config.test_evaluator.outfile_prefix = str(self.prefix)
        runner = build_runner(config)
        self.rank.set_threads()
        if self.progress:
            runner.register_hook(TestedHook(self.progress))
        runner.model_state = read(self.checkpoint)["state_dict"]
        reported = runner.test()
        dist.destroy_process_group()
        return reported


class TestedHook(Hook):
    """Says every two seconds how many images are done."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.said_at = 0.0

    def after_test_iter(
        self, runner: EverswinRunner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        total = len(runner.test_dataloader.dataset)
        batches_in_all = len(runner.test_dataloader)
        last = batch_idx + 1 == batches_in_all
        if last or time.monotonic() - self.said_at >= REPORT_EVERY_SECONDS:
            self.said_at = time.monotonic()
            self.progress.write("tested", done=total * (batch_idx + 1) // batches_in_all, total=total)


def cross_check(scores: dict[str, Scores], reported: dict[str, Any]) -> None:
    """Raises AssertionError if our numbers are not those that MMDetection printed."""
    for iou_type in IOU_TYPES:
        for ours, theirs in MMDET_NAMES.items():
            score = scores[iou_type][ours]
            printed = reported[f"coco/{iou_type}_{theirs}"]
            same = printed == -1 if score is None else abs(score - printed) <= ROUNDING
            assert same, f"{iou_type} {ours}: computed {score}, MMDetection printed {printed}"
