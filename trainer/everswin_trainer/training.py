"""The training of one rank: MMEngine's Runner with our hooks."""

import os
from dataclasses import dataclass
from pathlib import Path

import torch.distributed as dist
from mmengine.config import Config

from . import batches  # noqa: F401  (registers ResumableBatchSampler)
from .build_config import build_config
from .checkpoint import Checkpoint
from .checkpoint_hook import CheckpointHook
from .dataset import CocoFolder
from .everswin_runner import EverswinRunner, build_runner
from .job import Attempt, Job
from .plan import Plan
from .progress import Progress, read_events
from .progress_hook import ProgressHook
from .randomness import RandomnessHook
from .rank import Rank
from .state import read
from .stop_request import StopRequest


@dataclass(frozen=True)
class Training:
    """All that one attempt needs. `progress` is None on all ranks but the first."""

    plan: Plan
    recipe: Config
    data: CocoFolder
    weights: Path
    job: Job
    attempt: Attempt
    rank: Rank
    stop: StopRequest
    progress: Progress | None
    resume: Checkpoint | None

    def run(self) -> tuple[int, int]:
        """Trains to the end; returns (epochs, iterations) done. Raises Preempted."""
        self.rank.connect()
        work_dir = enter_work_dir(self.job)
        # A resumed run loads its own backbone.
        weights = None if self.resume else self.weights
        built = build_config(self.recipe, self.plan, self.data, work_dir, self.rank.device, weights)
        self.warn(built.warnings)
        runner = build_runner(built.config)
        self.rank.set_threads()
        check_categories(runner)
        self.register_hooks(runner)
        if self.resume:
            runner.resume_state = read(self.resume.path)
        runner.train()
        dist.destroy_process_group()
        return runner.epoch, runner.iter

    def warn(self, messages: list[str]) -> None:
        """Says each only once in a run, however often it is resumed."""
        if self.progress:
            said = {event["message"] for event in read_events(self.job.progress) if event["type"] == "warning"}
            for message in messages:
                if message not in said:
                    self.progress.write("warning", message=message)

    def register_hooks(self, runner: EverswinRunner) -> None:
        resumed_from = self.resume.path if self.resume else None
        truth = self.data.annotations("val")
        runner.register_hook(RandomnessHook(self.plan.seed, self.rank.number))
        runner.register_hook(
            ProgressHook(self.progress, self.plan, self.attempt, self.rank, resumed_from, truth),
        )
        runner.register_hook(CheckpointHook(self.progress, self.plan, self.job, self.attempt, self.rank, self.stop))


def check_categories(runner: EverswinRunner) -> None:
    """Raises ValueError if the splits number their classes differently: validation would measure nonsense."""
    train, val = (loader.dataset.cat_ids for loader in (runner.train_dataloader, runner.val_dataloader))
    if train != val:
        raise ValueError(f"expected both splits to have the same categories in the same order, got {train} and {val}")


def enter_work_dir(job: Job) -> Path:
    """A folder for what MMEngine writes, and the current one: it exchanges results through files in there."""
    folder = job.folder / "mmengine"
    folder.mkdir(exist_ok=True)
    os.chdir(folder)
    return folder
