"""One rank of MMDetection training (docs/trainer-contract.md)."""

import argparse
import os
from pathlib import Path

from torch.distributed.elastic.multiprocessing.errors import record

from .checkpoint import Checkpoint, of_checkpoint
from .context import Context, add_arguments
from .progress import box_average_precision, read_events


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="everswin_trainer train")
    add_arguments(parser)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--resume", type=Path, help="a checkpoint file of this plan")
    return parser.parse_args(argv)


@record
def main(argv: list[str]) -> int:
    """Trains to the end (0) or until SIGTERM (143); any other end is an exception, left where torchrun reads it."""
    arguments = parse(argv)
    context = Context.of(arguments)
    resume = of_checkpoint(arguments.resume.resolve(), context.plan.plan_hash) if arguments.resume else None
    if resume and nothing_left_to_do(context, resume):
        context.say_started(resume.position, resume.iteration // resume.epoch, resume.path, [os.getpid()], {})
        return context.run(lambda: resume.position)
    # Only now: MMDetection takes seconds to import, and asks for mmcv's ops and for CUDA then.
    from .training import train

    return context.run(lambda: train(context, arguments.weights.resolve(), resume))


def nothing_left_to_do(context: Context, resume: Checkpoint) -> bool:
    """Whether a run is complete: all epochs trained, and the last one validated."""
    validated = box_average_precision(read_events(context.job.progress))
    return resume.epoch >= context.plan.epochs and resume.position in validated
