"""Runs one rank of MMDetection training (docs/reference/trainer-contract.md)."""

import argparse
import os
from pathlib import Path

from torch.distributed.elastic.multiprocessing.errors import record

from everswin_trainer.checkpoints.checkpoint import Checkpoint, find_checkpoint
from everswin_trainer.job.progress import box_average_precision
from everswin_trainer.system.process_setup import imports_without_gc
from everswin_trainer.training.context import Context, add_arguments


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="everswin_trainer train")
    add_arguments(parser)
    start = parser.add_mutually_exclusive_group(required=True)
    start.add_argument("--weights", type=Path, help="weights of the backbone")
    start.add_argument("--init-detector", type=Path, help="file that convert-weights --part detector wrote")
    parser.add_argument("--resume", type=Path, help="checkpoint file of this plan")
    parser.add_argument("--resume-plan", metavar="HASH", help="plan of --resume, if it differs from this one")
    parser.add_argument("--until", type=int, metavar="ITERATION", help="save and stop after this iteration")
    return parser.parse_args(argv)


@record
def main(argv: list[str]) -> int:
    """Returns 0 at the end of training and 143 after SIGTERM; torchrun records any other exception."""
    arguments = parse(argv)
    context = Context.from_arguments(arguments)
    require_ranks(context)
    plan_hash = arguments.resume_plan or context.plan.plan_hash
    resume = find_checkpoint(arguments.resume.resolve(), plan_hash) if arguments.resume else None
    if resume and is_complete(context, resume):
        resume.require_intact()
        per_epoch, epochs = resume.iteration // resume.epoch, context.control.now().epochs
        context.write_started(resume.position, per_epoch, epochs, resume.path, [os.getpid()], {})
        return context.run(lambda: resume.position)
    # Imported here: MMDetection takes seconds to import, and needs mmcv's ops and CUDA to be set up.
    with imports_without_gc():
        from everswin_trainer.training.run import Start, train

    start = Start.choose(arguments.weights, arguments.init_detector, resume)
    return context.run(lambda: train(context, start, arguments.until))


def require_ranks(context: Context) -> None:
    """Raises ValueError unless there are as many ranks as planned, or as the control file says if GPUs have failed."""
    planned, expected, world = context.plan.gpus, context.control.now().gpus, context.rank.world
    if world != expected:
        source = "plan" if expected == planned else "control file"
        raise ValueError(f"expected {expected} ranks as the {source} says, got {world}")
    if planned % world != 0:
        raise ValueError(f"expected a number of ranks that divides the {planned} of the plan, got {world}")


def is_complete(context: Context, resume: Checkpoint) -> bool:
    """Returns whether a run of this plan is complete: all epochs are trained, and the last one is validated."""
    if resume.plan_hash != context.plan.plan_hash:
        return False
    validated = box_average_precision(context.recorded.events())
    return resume.epoch >= context.control.now().epochs and resume.position in validated
