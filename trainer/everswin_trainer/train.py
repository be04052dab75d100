"""One rank of MMDetection training (docs/trainer-contract.md)."""

import argparse
import os
import sys
from pathlib import Path

from torch.distributed.elastic.multiprocessing.errors import record

from . import mmcv_ops
from .checkpoint import of_checkpoint
from .dataset import CocoFolder
from .ending import FINISHED, PREEMPTED
from .job import Attempt, Job
from .plan import Plan
from .process_setup import prepare_process
from .progress import Progress
from .rank import Rank
from .recipe import load_recipe
from .stop_request import PREEMPTED_EXIT_CODE, Preempted, StopRequest


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="everswin_trainer train")
    parser.add_argument("--plan", type=Path, required=True)
    parser.add_argument("--recipe", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--job-dir", type=Path, required=True)
    parser.add_argument("--device", choices=("cpu", "cuda"), required=True)
    parser.add_argument("--resume", type=Path, help="a checkpoint file of this plan")
    return parser.parse_args(argv)


@record
def main(argv: list[str]) -> int:
    """Trains to the end (0) or until SIGTERM (143); any other end is an exception, left where torchrun reads it."""
    arguments = parse(argv)
    stop = StopRequest().install()
    prepare_process(arguments.device)
    mmcv_ops.install()
    # Only now: MMDetection asks for mmcv's ops and for CUDA when it is imported.
    from .training import Training

    plan = Plan.load(arguments.plan)
    rank = Rank.from_environment(arguments.device)
    if rank.world != plan.gpus:
        raise ValueError(f"expected {plan.gpus} ranks as the plan says, got {rank.world}")
    resume = of_checkpoint(arguments.resume.resolve(), plan.plan_hash) if arguments.resume else None
    job, attempt = Job.at(arguments.job_dir), Attempt.from_environment()
    progress = Progress(job.progress, attempt.number) if rank.is_first else None
    training = Training(
        plan=plan,
        recipe=load_recipe(arguments.recipe, plan),
        data=CocoFolder.at(arguments.data),
        weights=arguments.weights.resolve(),
        job=job,
        attempt=attempt,
        rank=rank,
        stop=stop,
        progress=progress,
        resume=resume,
    )
    try:
        ended = training.run()
        reason, code = FINISHED, 0
    except Preempted as preempted:
        ended = preempted.epoch, preempted.iteration
        reason, code = PREEMPTED, PREEMPTED_EXIT_CODE
    if progress:
        progress.write("ended", reason=reason, epoch=ended[0], iteration=ended[1])
    if code != 0:
        # Loader workers and process groups would be waited for; nothing of them is needed any more.
        sys.stdout.flush()
        os._exit(code)
    return code
