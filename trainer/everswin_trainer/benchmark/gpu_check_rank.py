"""Runs one rank of a measured training (gpu_check.py) with the runner and hooks of a real one, for some steps."""

import argparse
import time
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch.distributed.elastic.multiprocessing.errors import record

from everswin_trainer.job.progress import replace_non_finite
from everswin_trainer.system.atomic_file import write_json
from everswin_trainer.training.context import Context, add_arguments

BYTES_PER_MEBIBYTE = 1 << 20


class MeasurementDone(Exception):
    """Raised to end the training after the requested number of steps."""


class MeasuringHook(Hook):
    """Records the loss of each step and the wall time since the end of the previous one, with data and hooks."""

    # Runs after all other hooks of a step.
    priority = "LOWEST"

    def __init__(self, steps: int, device: str) -> None:
        self._steps = steps
        self._device = device
        self._since = 0.0
        self.seconds: list[float] = []
        self.losses: list[float] = []

    def before_train_epoch(self, runner: Runner) -> None:
        self._since = time.monotonic()

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        if self._device == "cuda":
            torch.cuda.synchronize()
        now = time.monotonic()
        self.seconds.append(now - self._since)
        self._since = now
        self.losses.append(outputs["loss"].item())
        if len(self.seconds) == self._steps:
            raise MeasurementDone


@record
def main(argv: list[str]) -> int:
    """Writes {seconds, losses, peakMemoryMib, memoryInUseMib, versions} of rank 0."""
    parser = argparse.ArgumentParser(prog="everswin_trainer gpu-check-rank")
    add_arguments(parser)
    parser.add_argument("--iterations", type=int, required=True)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args(argv)
    out, context = arguments.out.resolve(), Context.from_arguments(arguments)
    in_use = memory_in_use_mib(context)
    # Imported here: MMDetection takes seconds to import, and needs mmcv's ops and CUDA to be set up.
    from everswin_trainer.training.progress_hook import peak_memory_mb, versions
    from everswin_trainer.training.run import Start, assemble

    runner = assemble(context, Start.choose(arguments.weights, None, None))
    hook = MeasuringHook(arguments.iterations, arguments.device)
    runner.register_hook(hook)
    try:
        runner.train()
    except MeasurementDone:
        pass
    if context.rank.is_rank0:
        memory = {"memoryInUseMib": in_use, "peakMemoryMib": peak_memory_mb(arguments.device)}
        result = {"seconds": hook.seconds, "losses": replace_non_finite(hook.losses), **memory}
        write_json(out, {**result, "versions": versions(arguments.device)})
    dist.destroy_process_group()
    return 0


def memory_in_use_mib(context: Context) -> float | None:
    """Returns the used memory of this rank's GPU before training: other processes and a CUDA context. None on a CPU."""
    if context.rank.device == "cpu":
        return None
    free, total = torch.cuda.mem_get_info(context.rank.local)
    return (total - free) / BYTES_PER_MEBIBYTE
