"""One rank of MMDetection's test loop, then COCO's numbers from the detections on disk (docs/trainer-contract.md)."""

import argparse
import hashlib
import time
from pathlib import Path
from typing import Any

from torch.distributed.elastic.multiprocessing.errors import record

from . import mmcv_ops
from .checkpoint import of_checkpoint
from .dataset import CocoFolder
from .ending import FINISHED
from .job import Attempt, Job
from .plan import Plan
from .process_setup import prepare_process
from .progress import Progress
from .rank import Rank
from .recipe import load_recipe
from .whole_file import read_json, write_json


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="everswin_trainer test")
    parser.add_argument("--plan", type=Path, required=True)
    parser.add_argument("--recipe", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--job-dir", type=Path, required=True)
    parser.add_argument("--device", choices=("cpu", "cuda"), required=True)
    return parser.parse_args(argv)


@record
def main(argv: list[str]) -> int:
    """Detects unless it was done before, measures, writes metrics.json last."""
    arguments = parse(argv)
    started_at = time.monotonic()
    prepare_process(arguments.device)
    mmcv_ops.install()
    # Only now: MMDetection asks for mmcv's ops and for CUDA when it is imported.
    from .coco_scores import evaluate, load_detections
    from .detection import Detection, cross_check

    plan = Plan.load(arguments.plan)
    rank = Rank.from_environment(arguments.device)
    checkpoint = of_checkpoint(arguments.checkpoint.resolve(), plan.plan_hash)
    data = CocoFolder.at(arguments.data)
    job, attempt = Job.at(arguments.job_dir), Attempt.from_environment()
    progress = Progress(job.progress, attempt.number) if rank.is_first else None
    prefix, marker = job.folder / "detections", job.folder / "detections.json"
    truth = data.annotations("val")
    made_of = {
        "v": 1,
        "checkpointSha256": checkpoint.sha256,
        "annotationsSha256": hashlib.sha256(truth.read_bytes()).hexdigest(),
    }
    reported: dict[str, Any] | None = None
    if read_json(marker) != made_of:
        recipe = load_recipe(arguments.recipe, plan)
        reported = Detection(plan, recipe, data, job, rank, progress, checkpoint.path, prefix).run()
        if progress:
            # Until here the detections do not exist, so a crash never leaves half of them behind to be measured.
            write_json(marker, made_of)
    if progress is None:
        return 0
    found = load_detections(prefix)
    if not found["bbox"]:
        progress.write("warning", message="nothing at all was detected on the test images: every score is 0")
    scores = evaluate(truth, found)
    if reported:
        cross_check(scores, reported)
    metrics = {"v": 1, "checkpoint": checkpoint.path.name, "checkpointSha256": checkpoint.sha256}
    metrics |= {"images": data.count_images("val"), **scores, "seconds": time.monotonic() - started_at}
    write_json(job.folder / "metrics.json", metrics)
    progress.write("ended", reason=FINISHED, epoch=checkpoint.epoch, iteration=checkpoint.iteration)
    return 0
