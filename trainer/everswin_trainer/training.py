"""The training of one rank: MMEngine's Runner with our hooks."""

from pathlib import Path

import torch.distributed as dist

from . import batches  # noqa: F401  (registers what build_config names)
from .build_config import build_config
from .checkpoint import Checkpoint
from .checkpoint_hook import CheckpointHook
from .context import Context
from .everswin_runner import EverswinRunner, build_runner
from .progress import read_events
from .progress_hook import ProgressHook
from .randomness import RandomnessHook
from .state import read


def train(context: Context, weights: Path, resume: Checkpoint | None) -> tuple[int, int]:
    """Trains to the end; returns (epochs, iterations) done. Raises Preempted."""
    context.rank.connect()
    work_dir = context.enter_work_dir()
    # A resumed run loads its own backbone.
    built = build_config(
        context.recipe, context.plan, context.data, work_dir, context.rank.device, None if resume else weights
    )
    warn(context, built.warnings)
    runner = build_runner(built.config)
    context.rank.set_threads()
    check_categories(runner)
    runner.register_hook(RandomnessHook(context.plan.seed, context.rank.number))
    runner.register_hook(ProgressHook(context, resume.path if resume else None))
    runner.register_hook(CheckpointHook(context))
    if resume:
        runner.resume_state = read(resume.path)
    runner.train()
    dist.destroy_process_group()
    return runner.epoch, runner.iter


def warn(context: Context, messages: list[str]) -> None:
    """Says each only once in a run, however often it is resumed."""
    if context.progress:
        said = {event["message"] for event in read_events(context.job.progress) if event["type"] == "warning"}
        for message in messages:
            if message not in said:
                context.progress.write("warning", message=message)


def check_categories(runner: EverswinRunner) -> None:
    """Raises ValueError if the splits number their classes differently: validation would measure nonsense."""
    train_ids, val_ids = (loader.dataset.cat_ids for loader in (runner.train_dataloader, runner.val_dataloader))
    if train_ids != val_ids:
        raise ValueError(f"expected both splits to list the same categories in one order, got {train_ids}, {val_ids}")
