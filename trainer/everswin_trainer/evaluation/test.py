"""Runs one rank of the final test: computes detections of a checkpoint or of a converted detector, then COCO scores.

See docs/reference/trainer-contract.md.
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
from everswin_trainer.evaluation.detections import Detections, Results, find, identify, publish
from everswin_trainer.evaluation.half_precision import format_difference
from everswin_trainer.job.folder import Job
from everswin_trainer.job.heartbeat import VALIDATION
from everswin_trainer.job.progress import ProgressReader
from everswin_trainer.job.stop_request import Preempted
from everswin_trainer.metrics.coco_scores import evaluate
from everswin_trainer.metrics.scoring_truth import ScoringTruth
from everswin_trainer.model.weights import require_converted
from everswin_trainer.system.atomic_file import write_json
from everswin_trainer.system.process_setup import imports_without_gc
from everswin_trainer.training.context import Context, add_arguments


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="everswin_trainer test")
    add_arguments(parser)
    tested = parser.add_mutually_exclusive_group(required=True)
    tested.add_argument("--checkpoint", type=Path, help="checkpoint file of a training with this plan")
    tested.add_argument("--weights", type=Path, help="file that convert-weights --part detector wrote")
    return parser.parse_args(argv)


@record
def main(argv: list[str]) -> int:
    """Writes metrics.json and returns 0. Returns 143 after SIGTERM; torchrun records any exception."""
    arguments = parse(argv)
    context = Context.from_arguments(arguments)
    checkpoint = load_tested(arguments, context.plan.plan_hash)
    per_epoch = checkpoint.iteration // max(1, checkpoint.epoch)
    context.write_started(checkpoint.position, per_epoch, context.plan.epochs, checkpoint.path, [os.getpid()], {})
    return context.run(lambda: test(context, checkpoint))


def load_tested(arguments: argparse.Namespace, plan_hash: str) -> Checkpoint:
    """Returns the checkpoint or converted weights to test. Raises ValueError if the file is invalid."""
    if arguments.weights:
        require_converted(arguments.weights)
        return checkpoint_from_weights(arguments.weights.resolve(), plan_hash)
    return load_checkpoint(arguments.checkpoint.resolve(), plan_hash)


def test(context: Context, checkpoint: Checkpoint) -> tuple[int, int]:
    """Tests the checkpoint and returns its position. Raises Preempted."""
    identity = identify(checkpoint, context.data)
    detections = find(context.job, identity)
    if detections is None:
        # Imported here: MMDetection takes seconds to import, and needs mmcv's ops and CUDA to be set up.
        with imports_without_gc():
            from everswin_trainer.evaluation.inference import infer

        detections, prefix = infer(context, checkpoint)
        # Published before the evaluation: a crash during the evaluation does not repeat the inference.
        if context.rank.is_rank0:
            publish(detections, prefix, identity)
    if context.rank.is_rank0:
        results = detections.load()
        discard(context.job.folder)
        write_metrics(context, checkpoint, detections, results)
        write_analysis(context, checkpoint, identity, results)
    return checkpoint.position


def write_metrics(context: Context, checkpoint: Checkpoint, detections: Detections, results: Results) -> None:
    """Evaluates the detections and writes metrics.json."""
    assert context.progress, "only rank 0 writes"
    begin = time.monotonic()
    context.heartbeats.send(VALIDATION)
    scores = evaluate(ScoringTruth.load(context.data.annotations("val")), results)
    if not results["bbox"]:
        context.progress.write("warning", message="no object was detected in any image: every score is 0")
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


def write_analysis(context: Context, checkpoint: Checkpoint, identity: dict[str, str], results: Results) -> None:
    """Analyzes the detections; an error causes a warning, and the report lacks some sections. Raises Preempted."""
    assert context.progress, "only rank 0 writes"

    def send_heartbeat() -> None:
        context.heartbeats.send(VALIDATION)
        if context.stop.requested:
            raise Preempted(*checkpoint.position)

    try:
        images = open_images(context.data, "val")
        subject = Subject(
            identity,
            context.data.annotations("val"),
            results,
            images,
            train=context.data.samples("train"),
            draw_training_batch=(lambda: draw_training_batch(context)) if context.plan.epochs > 0 else None,
        )
        analyze(subject, context.job.folder, send_heartbeat)
    except Preempted:
        raise
    except Exception as error:
        traceback.print_exc()
        message = f"the report has no analysis of the detections: {type(error).__name__}: {error}"
        context.progress.write("warning", message=message)


def draw_training_batch(context: Context) -> dict[str, Any] | None:
    """Returns `trainingBatch` of analysis.json; None, with a warning, if the images cannot be read or drawn."""
    assert context.progress, "only rank 0 writes"
    try:
        # Imported here, because the detections may come from an earlier process.
        with imports_without_gc():
            from everswin_trainer.training.first_images import describe_first_images

        return describe_first_images(context.plan, context.recipe, context.data)
    except Exception as error:
        traceback.print_exc()
        message = f"the report shows no training batch: {type(error).__name__}: {error}"
        context.progress.write("warning", message=message)
        return None


def warn_of_half_precision(context: Context, checkpoint: Checkpoint, scores: dict[str, Any]) -> None:
    """Writes a warning if the test and the validation of this checkpoint differ."""
    assert context.progress, "only rank 0 writes"
    # The folder of the training is next to that of the test.
    events = ProgressReader(Job(context.job.folder.parent / "train").progress).events()
    if message := format_difference(events, checkpoint.position, scores):
        context.progress.write("warning", message=message)
