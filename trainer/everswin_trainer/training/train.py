"""One rank of MMDetection training (docs/trainer-contract.md)."""

import argparse
import os
from pathlib import Path

from torch.distributed.elastic.multiprocessing.errors import record

from everswin_trainer.checkpoints.checkpoint import Checkpoint, load_checkpoint
from everswin_trainer.job.progress import box_average_precision, read_events
from everswin_trainer.training.context import Context, add_arguments


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="everswin_trainer train")
    add_arguments(parser)
    start = parser.add_mutually_exclusive_group(required=True)
    start.add_argument("--weights", type=Path, help="of the backbone")
    start.add_argument(
        "--init-detector", type=Path, help="of the whole model: what convert-weights --part detector made"
    )
    parser.add_argument("--resume", type=Path, help="a checkpoint file of this plan")
    parser.add_argument("--resume-plan", metavar="HASH", help="the plan of --resume, if it is another one")
    return parser.parse_args(argv)


@record
def main(argv: list[str]) -> int:
    """Trains to the end (0) or until SIGTERM (143); any other end is an exception, left where torchrun reads it."""
    arguments = parse(argv)
    context = Context.of(arguments)
    if context.rank.world != context.plan.gpus:
        raise ValueError(f"expected {context.plan.gpus} ranks as the plan says, got {context.rank.world}")
    plan_hash = arguments.resume_plan or context.plan.plan_hash
    resume = load_checkpoint(arguments.resume.resolve(), plan_hash) if arguments.resume else None
    if resume and nothing_left_to_do(context, resume):
        per_epoch, epochs = resume.iteration // resume.epoch, context.control.now().epochs
        context.say_started(resume.position, per_epoch, epochs, resume.path, [os.getpid()], {})
        return context.run(lambda: resume.position)
    # Only now: MMDetection takes seconds to import, and asks for mmcv's ops and for CUDA then.
    from everswin_trainer.training.run import Start, train

    start = Start.of(arguments.weights, arguments.init_detector, resume)
    return context.run(lambda: train(context, start))


def nothing_left_to_do(context: Context, resume: Checkpoint) -> bool:
    """Whether a run is complete: all epochs trained, and the last one validated. Another plan counts other steps."""
    if resume.plan_hash != context.plan.plan_hash:
        return False
    validated = box_average_precision(read_events(context.job.progress))
    return resume.epoch >= context.control.now().epochs and resume.position in validated
