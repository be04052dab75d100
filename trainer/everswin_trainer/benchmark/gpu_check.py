"""Measures how much the speed switches gain on this machine, and whether they change the losses.

`python -m everswin_trainer gpu-check --recipe FILE --device cuda --out FILE` trains the recipe for some steps on
synthetic images of COCO's sizes. Each variant runs in separate processes with the same seed: `stock` is MMDetection's
own code, `fast` turns on the switches whose results equal it on a CPU, and `compiled` also compiles the backbone.
`stock again` shows how much two runs of the same code differ on this GPU.
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from everswin_trainer.benchmark.coco_like import draw_dataset
from everswin_trainer.job.progress import ProgressReader
from everswin_trainer.job.speed import SWITCHES
from everswin_trainer.model.recipe import fingerprint, load_recipe
from everswin_trainer.system.atomic_file import read_json, write_json

# Number of images in an epoch: those of train2017 with annotations.
COCO_IMAGES = 117_266
PROVED = ("fewerSyncs", "sdpaAttention", "fusedAdamW", "channelsLast")
IMAGE_FILES = 64
MOST_WARM_UP = 20
LOG_LINES = 20


@dataclass(frozen=True)
class Variant:
    """A variant to measure. `speed` lists its switches by their names in a plan."""

    name: str
    speed: tuple[str, ...]
    loader_workers: int


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="everswin_trainer gpu-check")
    parser.add_argument("--recipe", type=Path, required=True)
    parser.add_argument("--device", choices=("cpu", "cuda"), required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--iterations", type=int, default=200, help="steps per variant")
    parser.add_argument("--gpus", type=int, default=1, help="GPUs to measure on; on a CPU, the number of ranks")
    parser.add_argument("--for-gpus", type=int, default=4, help="GPUs of the projected training")
    parser.add_argument("--batch-per-gpu", type=int, default=2)
    parser.add_argument("--loader-workers", type=int, default=2, help="per GPU, in the stock variants")
    parser.add_argument("--fast-loader-workers", type=int, default=4, help="per GPU, in the other variants")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--weights", type=Path, help="weights of the backbone; random by default")
    parser.add_argument("--switches", nargs="*", choices=SWITCHES, default=PROVED, help="switches of the fast variant")
    parser.add_argument(
        "--variants", nargs="*", default=None, help="variants to measure: stock, fast, compiled, 'stock again'"
    )
    return parser.parse_args(argv)


def main(argv: list[str]) -> int:
    """Writes the answer and returns 0. Returns 2 if this machine lacks the GPUs, and 1 if the stock variant fails."""
    arguments = parse(argv)
    if problem := find_problem(arguments):
        print(problem, file=sys.stderr)
        return 2
    with TemporaryDirectory(prefix="everswin-gpu-check-") as folder:
        return check(arguments, Path(folder))


def find_problem(arguments: argparse.Namespace) -> str | None:
    """Returns why this machine cannot run the measurement, or None."""
    if arguments.iterations < 1:
        return f"expected --iterations to be at least 1, got {arguments.iterations}"
    if arguments.device == "cpu":
        return None
    import torch

    available = torch.cuda.device_count()
    if available >= arguments.gpus and torch.cuda.is_available():
        return None
    return (
        f"expected --device cuda to find {arguments.gpus} GPU(s), got {available}: check that the driver is loaded "
        f"(nvidia-smi) and supports CUDA {torch.version.cuda}. To try the command without a GPU, pass "
        "`--device cpu --recipe demo --iterations 3`"
    )


def check(arguments: argparse.Namespace, folder: Path) -> int:
    """Measures all variants and writes the answer. Returns 1 if the stock variant fails, else 0."""
    recipe = load_recipe(arguments.recipe, None)
    images = (arguments.iterations + 1) * arguments.batch_per_gpu * arguments.gpus
    draw_dataset(folder / "data", images, min(images, IMAGE_FILES), arguments.seed)
    measured = []
    for variant in choose_variants(arguments):
        result = measure(arguments, variant, recipe, folder)
        if variant.name == "stock" and "error" in result:
            print(result["error"], file=sys.stderr)
            return 1
        measured.append((variant, result))
    write_json(arguments.out, answer(arguments, recipe.train_cfg.max_epochs, measured))
    return 0


def choose_variants(arguments: argparse.Namespace) -> list[Variant]:
    fast = tuple(arguments.switches)
    all_variants = [
        Variant("stock", (), arguments.loader_workers),
        Variant("fast", fast, arguments.fast_loader_workers),
        Variant("compiled", (*fast, "compileBackbone"), arguments.fast_loader_workers),
        Variant("stock again", (), arguments.loader_workers),
    ]
    # On a CPU, compilation takes minutes, and a second stock run gives the same result.
    names = arguments.variants or (
        ["stock", "fast"] if arguments.device == "cpu" else [one.name for one in all_variants]
    )
    return [one for one in all_variants if one.name in names]


def measure(arguments: argparse.Namespace, variant: Variant, recipe: Any, folder: Path) -> dict[str, Any]:
    """Trains a variant. Returns the result of rank 0, or {error}."""
    work_dir = folder / variant.name.replace(" ", "-")
    work_dir.mkdir()
    write_json(work_dir / "plan.json", make_plan(arguments, variant, recipe))
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(arguments.gpus)]
    inputs = ["--plan", "plan.json", "--recipe", str(arguments.recipe.resolve()), "--data", str(folder / "data")]
    inputs += ["--weights", str(arguments.weights.resolve())] if arguments.weights else []
    settings = ["--device", arguments.device, "--iterations", str(arguments.iterations)]
    outputs = ["--job-dir", "job", "--out", "result.json"]
    command = [sys.executable, *launch, "-m", "everswin_trainer", "gpu-check-rank", *inputs, *settings, *outputs]
    with open(work_dir / "log", "wb") as log:
        process = subprocess.Popen(command, cwd=work_dir, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            follow(process, variant, work_dir, arguments.iterations)
        finally:
            process.terminate()
            process.wait()
    result = read_json(work_dir / "result.json")
    if result is not None and process.returncode == 0:
        return result
    lines = (work_dir / "log").read_text(errors="replace").splitlines()
    return {"error": f"{variant.name} ended with code {process.returncode}:\n" + "\n".join(lines[-LOG_LINES:])}


def follow(process: subprocess.Popen[bytes], variant: Variant, work_dir: Path, steps: int) -> None:
    """Waits for the end of the process and prints its progress about once a second."""
    recorded = ProgressReader(work_dir / "job/progress.jsonl")
    while True:
        try:
            process.wait(1)
            return
        except subprocess.TimeoutExpired:
            done = max((one["iteration"] for one in recorded.events() if one["type"] == "step"), default=0)
            print(json.dumps({"stage": variant.name, "done": done, "total": steps}), flush=True)


def make_plan(arguments: argparse.Namespace, variant: Variant, recipe: Any) -> dict[str, Any]:
    return {
        "v": 1,
        "runId": "gpu-check",
        "planHash": "0" * 64,
        "recipe": {"name": arguments.recipe.stem, "sha256": fingerprint(recipe)},
        "epochs": recipe.train_cfg.max_epochs,
        "seed": arguments.seed,
        "gpus": arguments.gpus,
        "batchPerGpu": arguments.batch_per_gpu,
        "loaderWorkers": variant.loader_workers,
        "logEverySteps": 10,
        "checkpoint": {"everyMinutes": "auto", "keepLast": 2},
        "speed": {name: name in variant.speed for name in SWITCHES},
    }


def answer(
    arguments: argparse.Namespace, epochs: int, measured: list[tuple[Variant, dict[str, Any]]]
) -> dict[str, Any]:
    """Returns the answer, whose schema is in configs/schema/gpu-check.ts."""
    succeeded = [result for _, result in measured if "error" not in result]
    stock = next((result["losses"] for variant, result in measured if variant.name == "stock"), None)
    steps_per_epoch = math.ceil(COCO_IMAGES / (arguments.for_gpus * arguments.batch_per_gpu))
    projection = {"gpus": arguments.for_gpus, "epochs": epochs, "stepsPerEpoch": steps_per_epoch}
    return {
        "v": 1,
        "recipe": arguments.recipe.stem,
        "device": arguments.device,
        "gpus": arguments.gpus,
        "batchPerGpu": arguments.batch_per_gpu,
        "iterations": arguments.iterations,
        "warmUp": warm_up(arguments.iterations),
        "seed": arguments.seed,
        "cores": len(os.sched_getaffinity(0)),
        "measuredAt": time.time(),
        "versions": succeeded[0]["versions"] if succeeded else {},
        "projection": projection,
        "variants": [summarize(arguments, projection, variant, result, stock) for variant, result in measured],
    }


def summarize(
    arguments: argparse.Namespace,
    projection: dict[str, int],
    variant: Variant,
    result: dict[str, Any],
    stock: list[float | None] | None,
) -> dict[str, Any]:
    """Returns one entry of `variants`. `stock` holds the losses of the stock variant, if it was measured."""
    settings = {"name": variant.name, "switches": list(variant.speed), "loaderWorkers": variant.loader_workers}
    if "error" in result:
        return {**settings, "error": result["error"], "measured": None}
    steps = result["seconds"][warm_up(arguments.iterations) :]
    mean = statistics.fmean(steps)
    training_seconds = mean * projection["stepsPerEpoch"] * projection["epochs"]
    figures = {
        "secondsPerStep": {"p50": statistics.median(steps), "p95": percentile(steps, 0.95), "mean": mean},
        "imagesPerSecond": arguments.gpus * arguments.batch_per_gpu / mean,
        "peakMemoryMib": result["peakMemoryMib"],
        "memoryInUseMib": result["memoryInUseMib"],
        "projectedHours": training_seconds / 3600,
        "lossDifference": None if stock is None or variant.name == "stock" else difference(result["losses"], stock),
        "seconds": result["seconds"],
        "losses": result["losses"],
    }
    return {**settings, "error": None, "measured": figures}


def warm_up(iterations: int) -> int:
    """Returns the number of warm-up steps, in which cuDNN tunes, the allocator grows and loader workers start."""
    return min(MOST_WARM_UP, iterations // 4)


def percentile(values: list[float], share: float) -> float:
    """Returns the smallest value that at least the given share of the values does not exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def difference(losses: list[float | None], others: list[float | None]) -> dict[str, float] | None:
    """Returns the maximum and mean difference of two loss curves, and the mean loss; None if a loss is missing."""
    pairs = list(zip(losses, others, strict=True))
    if any(one is None or other is None for one, other in pairs):
        return None
    distances = [abs(one - other) for one, other in pairs]
    return {
        "max": max(distances),
        "mean": statistics.fmean(distances),
        "meanLoss": statistics.fmean(others),
    }
