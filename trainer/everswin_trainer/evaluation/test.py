"""Runs one rank of the final test: detections of a checkpoint or of a converted detector, then COCO scores.

See docs/trainer-contract.md.
"""

import argparse
import os
import time
import traceback
from pathlib import Path
from typing import Any

from torch.distributed.elastic.multiprocessing.errors import record

from everswin_trainer.analysis.analyze import Subject, analyze, discard
from everswin_trainer.checkpoints.checkpoint import Checkpoint, checkpoint_from_weights, load_checkpoint
from everswin_trainer.data.image_reader import open_images
from everswin_trainer.evaluation.detections import Detections, Found, find, identify, publish
from everswin_trainer.evaluation.half_precision import describe_disagreement
from everswin_trainer.job.folder import Job
from everswin_trainer.job.heartbeat import VALIDATION
from everswin_trainer.job.progress import read_events
from everswin_trainer.job.stop_request import Preempted
from everswin_trainer.metrics.coco_scores import evaluate
from everswin_trainer.model.weights import require_converted
from everswin_trainer.system.atomic_file import write_json
from everswin_trainer.training.context import Context, add_arguments


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="everswin_trainer test")
    add_arguments(parser)
    measured = parser.add_mutually_exclusive_group(required=True)
    measured.add_argument("--checkpoint", type=Path, help="of a training of this plan")
    measured.add_argument("--weights", type=Path, help="of no training: what convert-weights --part detector made")
    return parser.parse_args(argv)


@record
def main(argv: list[str]) -> int:
    """Writes metrics.json and returns 0. Returns 143 after SIGTERM; any other failure is an exception."""
    arguments = parse(argv)
    context = Context.of(arguments)
    checkpoint = measured_by(arguments, context.plan.plan_hash)
    per_epoch = checkpoint.iteration // max(1, checkpoint.epoch)
    context.write_started(checkpoint.position, per_epoch, context.plan.epochs, checkpoint.path, [os.getpid()], {})
    return context.run(lambda: test(context, checkpoint))


def measured_by(arguments: argparse.Namespace, plan_hash: str) -> Checkpoint:
    """Raises ValueError saying what is wrong with the file."""
    if arguments.weights:
        require_converted(arguments.weights)
        return checkpoint_from_weights(arguments.weights.resolve(), plan_hash)
    return load_checkpoint(arguments.checkpoint.resolve(), plan_hash)


def test(context: Context, checkpoint: Checkpoint) -> tuple[int, int]:
    """Returns the checkpoint's position. Raises Preempted."""
    identity = identify(checkpoint, context.data)
    detections = find(context.job, identity)
    if detections is None:
        # Only now: MMDetection takes seconds to import, and asks for mmcv's ops and for CUDA then.
        from everswin_trainer.evaluation.inference import infer

        detections, written = infer(context, checkpoint)
        # Before anything is computed from them: whatever dies after this, inference is not repeated.
        if context.rank.is_rank0:
            publish(detections, written, identity)
    if context.rank.is_rank0:
        found = detections.load()
        discard(context.job.folder)
        write_metrics(context, checkpoint, detections, found)
        write_analysis(context, checkpoint, identity, found)
    return checkpoint.position


def write_metrics(context: Context, checkpoint: Checkpoint, detections: Detections, found: Found) -> None:
    assert context.progress, "the first rank writes"
    begin = time.monotonic()
    context.heartbeats.send(VALIDATION)
    scores = evaluate(context.data.annotations("val"), found)
    if not found["bbox"]:
        context.progress.write("warning", message="nothing was detected in any image: every score is 0")
    if context.plan.speed.half_precision_validation:
        warn_of_half_precision(context, checkpoint, scores)
    write_json(
        context.job.folder / "metrics.json",
        {
            "v": 1,
            "checkpoint": checkpoint.path.name,
            "checkpointSha256": checkpoint.sha256,
            "images": detections.images,
            **scores,
            "seconds": detections.seconds + time.monotonic() - begin,
        },
    )


def write_analysis(context: Context, checkpoint: Checkpoint, identity: dict[str, str], found: Found) -> None:
    """What cannot be analyzed costs the report some sections, not the test its numbers. Raises Preempted."""
    assert context.progress, "the first rank writes"

    def send_heartbeat() -> None:
        context.heartbeats.send(VALIDATION)
        if context.stop.requested:
            raise Preempted(*checkpoint.position)

    try:
        images = open_images(context.data, "val")
        analyze(Subject(identity, context.data.annotations("val"), found, images), context.job.folder, send_heartbeat)
    except Preempted:
        raise
    except Exception as error:
        traceback.print_exc()
        message = f"the detections could not be analyzed: {type(error).__name__}: {error}"
        context.progress.write("warning", message=message)


def warn_of_half_precision(context: Context, checkpoint: Checkpoint, scores: dict[str, Any]) -> None:
    """The training of a run lies next to its test."""
    assert context.progress, "the first rank writes"
    trained = read_events(Job(context.job.folder.parent / "train").progress)
    if message := describe_disagreement(trained, checkpoint.position, scores):
        context.progress.write("warning", message=message)
