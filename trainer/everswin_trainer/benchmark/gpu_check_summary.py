"""Computes the answer of `gpu-check` from the trainings that the ranks have measured."""

import argparse
import math
import os
import statistics
import time
from dataclasses import dataclass
from typing import Any

# Number of images in an epoch: those of train2017 with annotations.
COCO_IMAGES = 117_266
MOST_WARM_UP = 20
# Profiled steps per variant.
PROFILED = 3
TERA = 1e12
# File next to the result in which a rank tells which training runs.
STAGE = "stage.json"

Training = dict[str, Any]


@dataclass(frozen=True)
class Variant:
    """A variant to measure. `speed` lists its switches by their names in a plan."""

    name: str
    speed: tuple[str, ...]
    loader_workers: int


def answer(
    arguments: argparse.Namespace,
    epochs: int,
    variants: list[Variant],
    result: dict[str, Any],
    failure: str | None,
    seconds: float,
) -> dict[str, Any]:
    """Returns the answer, whose schema is in configs/schema/gpu-check.ts.

    `result` is what rank 0 wrote (gpu_check_rank.py), `failure` why the ranks did not complete.
    """
    steps_per_epoch = math.ceil(COCO_IMAGES / (arguments.for_gpus * arguments.batch_per_gpu))
    projection = {"gpus": arguments.for_gpus, "epochs": epochs, "stepsPerEpoch": steps_per_epoch}
    return {
        "v": 2,
        "recipe": arguments.recipe.stem,
        "device": arguments.device,
        "gpus": arguments.gpus,
        "batchPerGpu": arguments.batch_per_gpu,
        "iterations": arguments.iterations,
        "rounds": arguments.rounds,
        "warmUp": warm_up(arguments.iterations),
        "seed": arguments.seed,
        "cores": len(os.sched_getaffinity(0)),
        "measuredAt": time.time(),
        "limitSeconds": arguments.minutes * 60,
        "seconds": seconds,
        "versions": result["versions"],
        "memoryInUseMib": result["memoryInUseMib"],
        "projection": projection,
        "variants": [summarize(arguments, projection, variant, result, failure) for variant in variants],
    }


def summarize(
    arguments: argparse.Namespace,
    projection: dict[str, int],
    variant: Variant,
    result: dict[str, Any],
    failure: str | None,
) -> dict[str, Any]:
    """Returns one entry of `variants`."""
    settings = {"name": variant.name, "switches": list(variant.speed), "loaderWorkers": variant.loader_workers}
    own = trainings_of(result, variant.name)
    skipped = warm_up(arguments.iterations)
    steps = [second for one in own for second in one["seconds"][skipped:]]
    error = result["errors"].get(variant.name)
    if not steps:
        return {**settings, "error": error or failure or "no time was left for it", "measured": None}
    mean = statistics.fmean(steps)
    training_seconds = mean * projection["stepsPerEpoch"] * projection["epochs"]
    stock = trainings_of(result, "stock")
    figures = {
        "secondsPerStep": {"p50": statistics.median(steps), "p95": percentile(steps, 0.95), "mean": mean},
        "imagesPerSecond": arguments.gpus * arguments.batch_per_gpu / mean,
        "speedup": None if variant.name == "stock" else speedup(own, stock, skipped),
        "dataSeconds": statistics.fmean(wait for one in own for wait in one["data_seconds"][skipped:]),
        "positives": [statistics.fmean(stage) for stage in zip(*(one["positives"] for one in own), strict=True)],
        "peakMemoryMib": largest(own, "peak_memory_mib"),
        "reservedMemoryMib": largest(own, "reserved_memory_mib"),
        **utilization(own, result, skipped),
        **profile(own, result["traces"].get(variant.name), arguments.iterations, skipped),
        "projectedHours": training_seconds / 3600,
        "lossDifference": loss_difference(own, stock),
        "rounds": [{"seconds": one["seconds"], "losses": one["losses"]} for one in own],
    }
    return {**settings, "error": error, "measured": figures}


def trainings_of(result: dict[str, Any], name: str) -> list[Training]:
    """Returns the trainings of a variant with at least one step, in order."""
    return [one for one in result["trainings"] if one["variant"] == name and one["seconds"]]


def speedup(own: list[Training], stock: list[Training], skipped: int) -> dict[str, Any] | None:
    """Returns how many times as fast as `stock` a variant is: in each round, on the steps that both did."""
    by_round = {one["round"]: one["seconds"] for one in stock}
    rounds = []
    for one in own:
        pairs = list(zip(one["seconds"], by_round.get(one["round"], []), strict=False))[skipped:]
        if pairs:
            rounds.append(sum(theirs for _, theirs in pairs) / sum(ours for ours, _ in pairs))
    if not rounds:
        return None
    return {"mean": statistics.fmean(rounds), "min": min(rounds), "max": max(rounds), "rounds": rounds}


def loss_difference(own: list[Training], stock: list[Training]) -> dict[str, float] | None:
    """Returns the difference from the losses of stock's first training.

    For `stock`, it is that of its other trainings: how far two trainings of the same code differ on this GPU.
    """
    if not stock:
        return None
    reference = stock[0]["losses"]
    others = [one["losses"] for one in own if one is not stock[0]]
    return difference([pair for losses in others for pair in zip(losses, reference, strict=False)])


def difference(pairs: list[tuple[float | None, float | None]]) -> dict[str, float] | None:
    """Returns the maximum and mean difference of pairs of losses, and the mean loss; None if a loss is missing."""
    distances = [abs(one - other) for one, other in pairs if one is not None and other is not None]
    if not pairs or len(distances) < len(pairs):
        return None
    mean_loss = statistics.fmean(other for _, other in pairs if other is not None)
    return {"max": max(distances), "mean": statistics.fmean(distances), "meanLoss": mean_loss}


def utilization(own: list[Training], result: dict[str, Any], skipped: int) -> dict[str, float | None]:
    """Returns the FLOPs of a step, and their share of the GPU's peak: on the steps whose FLOPs were counted."""
    flops = result["trainings"][0]["flops"]
    pairs = [pair for one in own for pair in list(zip(flops, one["seconds"], strict=False))[skipped:]]
    if not pairs:
        return {"teraflopPerStep": None, "mfu": None}
    total, seconds = (sum(values) for values in zip(*pairs, strict=True))
    peak = result["peakFlops"]
    return {"teraflopPerStep": total / len(pairs) / TERA, "mfu": peak and total / seconds / peak}


def profile(own: list[Training], trace: dict[str, Any] | None, steps: int, skipped: int) -> dict[str, float | None]:
    """Returns the figures per step of a profile; the time of the same steps is that of the trainings without it."""
    first, last = profiled_steps(steps, skipped)
    profiled = [one["seconds"][first:last] for one in own if len(one["seconds"]) >= last]
    if trace is None or not profiled:
        return {"kernelLaunches": None, "streamSyncs": None, "idleShare": None}
    busy = trace["busy_seconds"] / statistics.fmean(sum(seconds) for seconds in profiled)
    return {
        "kernelLaunches": trace["launches"] / (last - first),
        "streamSyncs": trace["syncs"] / (last - first),
        "idleShare": max(0.0, 1 - busy),
    }


def profiled_steps(steps: int, skipped: int) -> tuple[int, int]:
    """Returns the first profiled step and the one after the last, counted from 0."""
    return skipped, min(steps, skipped + PROFILED)


def warm_up(steps: int) -> int:
    """Returns the number of warm-up steps, in which cuDNN tunes, the allocator grows and loader workers start."""
    return min(MOST_WARM_UP, steps // 4)


def percentile(values: list[float], share: float) -> float:
    """Returns the smallest value that at least the given share of the values does not exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def largest(trainings: list[Training], name: str) -> float | None:
    values = [one[name] for one in trainings if one[name] is not None]
    return max(values, default=None)
