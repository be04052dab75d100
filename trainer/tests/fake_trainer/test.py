"""Runs a fake final test: files and events of the real one, with scores derived from the checkpoint."""

import argparse
import os
import time
from pathlib import Path

from everswin_trainer.checkpoints.checkpoint import checkpoint_from_weights, load_checkpoint
from everswin_trainer.job.folder import Attempt, Job
from everswin_trainer.job.heartbeat import VALIDATION, HeartbeatWriter
from everswin_trainer.job.outcome import FINISHED
from everswin_trainer.job.plan import Plan
from everswin_trainer.job.progress import Progress
from everswin_trainer.system.atomic_file import write_json
from everswin_trainer.system.process_setup import prepare_process
from fake_trainer.analysis import IMAGES, write_analysis
from fake_trainer.faults import leave_error_file
from fake_trainer.state import State

RECALL_NAMES = ("AR100", "AR300", "AR1000", "ARm", "ARl")


def main(argv: list[str]) -> int:
    """Writes metrics.json, analysis.json and bootstrap.json and returns 0; SIGTERM ends it at once."""
    parser = argparse.ArgumentParser(prog="fake_trainer test")
    parser.add_argument("--plan", type=Path, required=True)
    parser.add_argument("--job-dir", type=Path, required=True)
    measured = parser.add_mutually_exclusive_group(required=True)
    measured.add_argument("--checkpoint", type=Path)
    measured.add_argument("--weights", type=Path, help="any file, in place of a checkpoint")
    parser.add_argument("--seconds", type=float, default=0.0, help="duration of the test")
    arguments = parser.parse_args(argv)
    prepare_process("cpu")
    try:
        test(arguments)
    except Exception as error:
        leave_error_file(error)
        raise
    return 0


def test(arguments: argparse.Namespace) -> None:
    begin = time.monotonic()
    job, attempt, plan = Job.at(arguments.job_dir), Attempt.from_environment(), Plan.load(arguments.plan)
    heartbeats = HeartbeatWriter(job, 0)
    if arguments.weights:
        checkpoint = checkpoint_from_weights(arguments.weights, plan.plan_hash)
        average_precision = int(checkpoint.sha256[:4], 16) / 0x10000
    else:
        checkpoint = load_checkpoint(arguments.checkpoint, plan.plan_hash)
        average_precision = State.load(checkpoint.path).average_precision(plan.epochs)
    progress = Progress(job.progress, attempt.number)
    position = {"epoch": checkpoint.epoch, "iteration": checkpoint.iteration}
    progress.write(
        "started",
        fence=attempt.fence,
        **position,
        iterationsPerEpoch=checkpoint.iteration // max(1, checkpoint.epoch),
        epochs=plan.epochs,
        worldSize=1,
        device="cpu",
        resumedFrom=checkpoint.path.name,
        pids=[os.getpid()],
        versions={},
    )
    for done in range(1, IMAGES + 1):
        time.sleep(arguments.seconds / IMAGES)
        heartbeats.send(VALIDATION)
        if done in (IMAGES // 2, IMAGES):
            progress.write("tested", done=done, total=IMAGES)
    scores = make_scores(average_precision)
    write_json(
        job.folder / "metrics.json",
        {
            "v": 1,
            "checkpoint": checkpoint.path.name,
            "checkpointSha256": checkpoint.sha256,
            "images": IMAGES,
            "bbox": scores,
            "segm": scores,
            "seconds": time.monotonic() - begin,
        },
    )
    write_analysis(job.folder, checkpoint.sha256, average_precision)
    progress.write("ended", reason=FINISHED, **position)


def make_scores(average_precision: float) -> dict[str, float | None]:
    """Returns the twelve scores of the contract; AP equals that of the validation, and there are no small objects."""
    ap, recall = average_precision, min(1.0, average_precision + 0.1)
    return {
        **{"AP": ap, "AP50": ap, "AP75": ap, "APs": None, "APm": ap, "APl": ap},
        **dict.fromkeys(RECALL_NAMES, recall),
        "ARs": None,
    }
