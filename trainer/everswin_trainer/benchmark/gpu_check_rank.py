"""One rank of a measured training (gpu_check.py): the real training's runner and hooks, stopped after some steps."""

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


class Measured(Exception):
    """Enough steps were taken."""


class MeasuringHook(Hook):
    """Wall time from the end of a step to the end of the next, data and hooks included, and the step's loss."""

    # After all that a real step does.
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
        # MMEngine has fetched it already.
        self.losses.append(float(runner.message_hub.get_scalar("train/loss").current()))
        if len(self.seconds) == self._steps:
            raise Measured


@record
def main(argv: list[str]) -> int:
    """Writes {seconds, losses, peakMemoryMib, memoryInUseMib, versions} of the first rank."""
    parser = argparse.ArgumentParser(prog="everswin_trainer gpu-check-rank")
    add_arguments(parser)
    parser.add_argument("--iterations", type=int, required=True)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args(argv)
    out, context = arguments.out.resolve(), Context.of(arguments)
    in_use = memory_in_use_mib(context)
    # Only now: MMDetection takes seconds to import, and asks for mmcv's ops and for CUDA then.
    from everswin_trainer.training.progress_hook import peak_memory_mb, versions
    from everswin_trainer.training.run import Start, assemble

    runner = assemble(context, Start.of(arguments.weights, None, None))
    hook = MeasuringHook(arguments.iterations, arguments.device)
    runner.register_hook(hook)
    try:
        runner.train()
    except Measured:
        pass
    if context.rank.is_rank0:
        memory = {"memoryInUseMib": in_use, "peakMemoryMib": peak_memory_mb(arguments.device)}
        found = {"seconds": hook.seconds, "losses": replace_non_finite(hook.losses), **memory}
        write_json(out, {**found, "versions": versions(arguments.device)})
    dist.destroy_process_group()
    return 0


def memory_in_use_mib(context: Context) -> float | None:
    """Of this rank's GPU, before the training takes any: that of others, and a CUDA context. None on a CPU."""
    if context.rank.device == "cpu":
        return None
    free, total = torch.cuda.mem_get_info(context.rank.local)
    return (total - free) / BYTES_PER_MEBIBYTE
