"""Runs one rank of MMDetection's test loop over the validation images."""

import time
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from mmengine.hooks import Hook
from mmengine.runner import Runner

from everswin_trainer.checkpoints.checkpoint import Checkpoint
from everswin_trainer.data import mapped_dataset  # noqa: F401  (register what build_config names)
from everswin_trainer.evaluation.detections import Detections
from everswin_trainer.job.stop_request import Preempted
from everswin_trainer.metrics import quick_metric  # noqa: F401  (register what build_config names)
from everswin_trainer.model.build_config import build_config
from everswin_trainer.model.detector_weights import class_count
from everswin_trainer.model.initial_detector import load_detector, match_for_test
from everswin_trainer.model.weights import looks_like_safetensors
from everswin_trainer.training import batches  # noqa: F401  (register what build_config names)
from everswin_trainer.training.context import Context
from everswin_trainer.training.heartbeat_hook import HeartbeatHook
from everswin_trainer.training.runner import EverswinRunner, build_runner
from everswin_trainer.training.state import bare_model, read

SECONDS_BETWEEN_EVENTS = 1.0


def infer(context: Context, checkpoint: Checkpoint) -> tuple[Detections, Path]:
    """Runs the model on every image, without evaluation. Returns the detections and the path prefix of their files.

    Only rank 0 writes the files. Raises Preempted.
    """
    begin = time.monotonic()
    context.rank.connect()
    work_dir = context.enter_work_dir()
    prefix = work_dir / "detections"
    control, device = context.control.now(), context.rank.device
    built = build_config(context.recipe, context.plan, control, context.data, work_dir, device, weights=None)
    built.config.test_evaluator.update(format_only=True, outfile_prefix=str(prefix))
    runner = build_runner(built.config)
    context.rank.set_threads()
    runner.register_hook(HeartbeatHook(context.heartbeats))
    runner.register_hook(InferenceHook(context, checkpoint))
    runner.model_state = model_state(context, checkpoint, runner)
    runner.test()
    images = len(runner.test_dataloader.dataset)
    dist.destroy_process_group()
    return Detections(context.job, images, time.monotonic() - begin), prefix


def model_state(context: Context, checkpoint: Checkpoint, runner: EverswinRunner) -> dict[str, torch.Tensor]:
    """Returns the weights to test. Raises ValueError if converted weights do not fit the model or its classes."""
    if not looks_like_safetensors(checkpoint.path):
        return read(checkpoint.path)["state_dict"]
    state, model = load_detector(checkpoint.path), bare_model(runner).state_dict()
    if (actual := class_count(state)) != (expected := class_count(model)):
        raise ValueError(f"expected weights for the {expected} classes of the data, got a detector for {actual}")
    state, statements = match_for_test(state, model, context.plan.initial_classes, context.data.classes())
    for statement in statements:
        if context.progress:
            context.progress.write("warning", message=statement)
    return state


class InferenceHook(Hook):
    """Writes a `tested` event about once a second, and ends the inference on SIGTERM."""

    priority = "LOWEST"

    def __init__(self, context: Context, checkpoint: Checkpoint) -> None:
        self._context = context
        self._checkpoint = checkpoint
        self._written_at = 0.0

    def after_test_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        if self._context.stop.requested:
            raise Preempted(*self._checkpoint.position)
        if not self._context.progress:
            return
        total = len(runner.test_dataloader.dataset)
        # Assumes that all ranks are equally fast. The last batches may contain some images twice.
        done = min(total, (batch_idx + 1) * runner.test_dataloader.batch_size * self._context.rank.world)
        if done == total or time.monotonic() - self._written_at > SECONDS_BETWEEN_EVENTS:
            self._written_at = time.monotonic()
            self._context.progress.write("tested", done=done, total=total)
