"""Trains on one rank with MMEngine's Runner and our hooks."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.distributed as dist
from mmengine.config import Config

from everswin_trainer.checkpoints.checkpoint import Checkpoint, Origin
from everswin_trainer.checkpoints.saver import Saver
from everswin_trainer.data import mapped_dataset  # noqa: F401  (registers the data set)
from everswin_trainer.metrics import quick_metric  # noqa: F401  (registers the metric)
from everswin_trainer.model.build_config import build_config
from everswin_trainer.model.initial_detector import fit_to_classes, load_detector
from everswin_trainer.model.recipe import milestones
from everswin_trainer.training import (  # noqa: F401  (register what build_config names)
    batches,
    fused_adamw,
    micro_batches,
    mixed_dataset,
    size_batches,
)
from everswin_trainer.training.checkpoint_hook import CheckpointHook
from everswin_trainer.training.context import Context
from everswin_trainer.training.cuda_settings import set_up_cuda
from everswin_trainer.training.divergence import DivergenceHook
from everswin_trainer.training.epochs_hook import EpochsHook
from everswin_trainer.training.heartbeat_hook import HeartbeatHook
from everswin_trainer.training.mfu import MfuMeter
from everswin_trainer.training.progress_hook import ProgressHook
from everswin_trainer.training.randomness import RandomnessHook
from everswin_trainer.training.runner import EverswinRunner, build_runner
from everswin_trainer.training.state import bare_model, read
from everswin_trainer.training.tensorboard_events import TensorBoard


@dataclass(frozen=True)
class Start:
    """Starting point of a training: exactly one field is set."""

    backbone: Path | None
    detector: Path | None
    resume: Checkpoint | None

    @classmethod
    def choose(cls, backbone: Path | None, detector: Path | None, resume: Checkpoint | None) -> "Start":
        """Creates a start; a checkpoint takes precedence over pretrained weights."""
        if resume:
            return cls(None, None, resume)
        # Absolute, because enter_work_dir changes the current folder.
        return cls(backbone and backbone.resolve(), detector and detector.resolve(), None)


def train(context: Context, start: Start, until: int | None) -> tuple[int, int]:
    """Trains to the end and returns (epochs, iterations).

    Raises Preempted after a stop or at iteration `until`, and ValueError for a damaged checkpoint.
    """
    # Hashing a gigabyte takes as long as building the runner, and lets it run.
    with ThreadPoolExecutor(1) as background:
        intact = background.submit(start.resume.require_intact) if start.resume else None
        runner = assemble(context, start)
    if intact:
        runner.resume_state = read(intact.result().path)
    runner.register_hook(CheckpointHook(context, runner.learning_rate_factor, saver(context, runner.cfg), until))
    runner.train()
    dist.destroy_process_group()
    return runner.epoch, runner.iter


def assemble(context: Context, start: Start) -> EverswinRunner:
    """Builds a runner with all hooks except CheckpointHook. Joins the process group. Reads no checkpoint."""
    # Before the first use of the GPU.
    set_up_cuda(context.plan.speed)
    context.rank.connect()
    work_dir = context.enter_work_dir()
    # Broadcast, because the file may change between the reads of two ranks.
    control = context.rank.broadcast_from_rank0(context.control.now())
    device, resume = context.rank.device, start.resume
    built = build_config(context.recipe, context.plan, control, context.data, work_dir, device, start.backbone)
    warn(context, built.warnings + unusable_progress(context))
    if context.progress:
        context.progress.subscribe(TensorBoard(context.job.tensorboard, lambda message: warn(context, [message])))
    runner = build_runner(built.config)
    if start.detector:
        names = (context.plan.initial_classes, context.data.classes())
        weights, model = load_detector(start.detector), bare_model(runner).state_dict()
        runner.initial_state, warnings = fit_to_classes(weights, model, *names)
        warn(context, warnings)
    context.rank.set_threads()
    check_categories(runner)
    runner.register_hook(RandomnessHook(context.plan.seed, context.rank.number))
    runner.register_hook(EpochsHook(context))
    runner.register_hook(ProgressHook(context, resume.path if resume else None, measure_mfu(context, runner)))
    runner.register_hook(HeartbeatHook(context.heartbeats))
    runner.register_hook(DivergenceHook())
    runner.learning_rate_factor = control.learning_rate_factor
    runner.base_learning_rate = context.plan.learning_rate or context.recipe.optim_wrapper.optimizer.lr
    if resume:
        runner.resumes_other_plan = resume.plan_hash != context.plan.plan_hash
    return runner


def saver(context: Context, config: Config) -> Saver | None:
    """Returns the saver on rank 0, and None on other ranks."""
    if context.progress is None:
        return None
    origin = Origin(context.plan.plan_hash, context.attempt, torch.__version__)
    return Saver(context.job, context.plan, origin, context.progress, context.recorded, frozenset(milestones(config)))


def measure_mfu(context: Context, runner: EverswinRunner) -> MfuMeter | None:
    """Returns a meter on rank 0 of a training on GPUs; None, with a warning, if their MFU cannot be measured."""
    if context.progress is None or context.rank.device == "cpu":
        return None
    try:
        return MfuMeter.of(bare_model(runner), runner.cfg.optim_wrapper, torch.cuda.get_device_name())
    # A detector may have modules that fail without data. That must not end its training.
    except Exception as error:
        warn(context, [f"no MFU is reported: {error}"])
        return None


def warn(context: Context, messages: list[str]) -> None:
    """Writes each warning once per run, even if the run is resumed."""
    if context.progress:
        written = {event["message"] for event in context.recorded.events() if event["type"] == "warning"}
        for message in messages:
            if message not in written:
                print(f"everswin: {message}", flush=True)
                context.progress.write("warning", message=message)


def unusable_progress(context: Context) -> list[str]:
    """Returns a warning if progress.jsonl has lines that nothing can read."""
    path, count = context.job.progress, context.recorded.count_unusable_lines()
    if count == 0:
        return []
    return [
        f"{path} has {count} unreadable lines, which are skipped. Training continues from the newest intact "
        "checkpoint; charts and scores lack what these lines recorded. If no person edited the file, check the disk "
        "with dmesg"
    ]


def check_categories(runner: EverswinRunner) -> None:
    """Raises ValueError if the splits number their classes differently, which would invalidate the metrics."""
    train_ids, val_ids = (loader.dataset.cat_ids for loader in (runner.train_dataloader, runner.val_dataloader))
    if train_ids != val_ids:
        raise ValueError(f"expected both splits to list the same categories in one order, got {train_ids}, {val_ids}")
