"""What the speed switches bring on this machine, and whether losses stay what they were.

`python -m everswin_trainer gpu-check --recipe FILE --device cuda --out FILE` trains the recipe for some steps on drawn
images of COCO's sizes, each variant in processes of its own, from the same seed: `stock` is MMDetection's own code,
`fast` has the switches that are proved equal on a CPU, `compiled` compiles the backbone too, and `stock again` tells
how much two runs of the same code differ on this GPU.
"""

import argparse
import json
import math
import os
import signal
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from everswin_trainer.benchmark.coco_like import draw_dataset
from everswin_trainer.job.progress import read_events
from everswin_trainer.job.speed import SWITCHES
from everswin_trainer.model.recipe import fingerprint, load_recipe
from everswin_trainer.system.atomic_file import read_json, write_json

# Of train2017, with annotations: what an epoch is.
COCO_IMAGES = 117_266
PROVED = ("sdpaAttention", "fusedAdamW", "channelsLast")
IMAGE_FILES = 64
MOST_WARM_UP = 20
LOG_LINES = 20


@dataclass(frozen=True)
class Variant:
    """`speed` as in a plan."""

    name: str
    speed: tuple[str, ...]
    loader_workers: int


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="everswin_trainer gpu-check")
    parser.add_argument("--recipe", type=Path, required=True)
    parser.add_argument("--device", choices=("cpu", "cuda"), required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--iterations", type=int, default=200, help="steps of each variant")
    parser.add_argument("--gpus", type=int, default=1, help="to measure on; ranks on a CPU")
    parser.add_argument("--for-gpus", type=int, default=4, help="to project the hours of a whole training to")
    parser.add_argument("--batch-per-gpu", type=int, default=2)
    parser.add_argument("--loader-workers", type=int, default=2, help="per GPU, of stock")
    parser.add_argument("--fast-loader-workers", type=int, default=4, help="per GPU, of the others")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--weights", type=Path, help="of the backbone; random ones otherwise")
    parser.add_argument("--switches", nargs="*", choices=SWITCHES, default=PROVED, help="what fast turns on")
    parser.add_argument("--variants", nargs="*", default=None, help="of stock, fast, compiled, 'stock again'")
    return parser.parse_args(argv)


def main(argv: list[str]) -> int:
    """Writes the answer (0); 2 and a line on stderr if this machine has no GPU to measure; 1 if stock fails."""
    arguments = parse(argv)
    if problem := find_problem(arguments):
        print(problem, file=sys.stderr)
        return 2
    # So that what was started is stopped, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with TemporaryDirectory(prefix="everswin-gpu-check-") as folder:
        return check(arguments, Path(folder))


def find_problem(arguments: argparse.Namespace) -> str | None:
    """Returns why this machine cannot run the measurement, or None."""
    if arguments.iterations < 1:
        return f"expected --iterations to be at least 1, got {arguments.iterations}"
    if arguments.device == "cpu":
        return None
    import torch

    there = torch.cuda.device_count()
    if there >= arguments.gpus and torch.cuda.is_available():
        return None
    return (
        f"expected --device cuda to find {arguments.gpus} GPU(s), got {there}: is the driver loaded (nvidia-smi), and "
        f"does it support CUDA {torch.version.cuda}? `--device cpu --recipe demo --iterations 3` tries the command only"
    )


def check(arguments: argparse.Namespace, folder: Path) -> int:
    recipe = load_recipe(arguments.recipe, None)
    images = (arguments.iterations + 1) * arguments.batch_per_gpu * arguments.gpus
    draw_dataset(folder / "data", images, min(images, IMAGE_FILES), arguments.seed)
    measured = []
    for variant in choose_variants(arguments):
        found = measure(arguments, variant, recipe, folder)
        if variant.name == "stock" and "error" in found:
            print(found["error"], file=sys.stderr)
            return 1
        measured.append((variant, found))
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
    # A CPU compiles for minutes, and adds in the same order every time.
    wanted = arguments.variants or (
        ["stock", "fast"] if arguments.device == "cpu" else [one.name for one in all_variants]
    )
    return [one for one in all_variants if one.name in wanted]


def measure(arguments: argparse.Namespace, variant: Variant, recipe: Any, folder: Path) -> dict[str, Any]:
    """Returns the result of rank 0, or {error}."""
    place = folder / variant.name.replace(" ", "-")
    place.mkdir()
    write_json(place / "plan.json", plan_of(arguments, variant, recipe))
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(arguments.gpus)]
    inputs = ["--plan", "plan.json", "--recipe", str(arguments.recipe.resolve()), "--data", str(folder / "data")]
    inputs += ["--weights", str(arguments.weights.resolve())] if arguments.weights else []
    wanted = ["--device", arguments.device, "--iterations", str(arguments.iterations)]
    outputs = ["--job-dir", "job", "--out", "found.json"]
    command = [sys.executable, *launch, "-m", "everswin_trainer", "gpu-check-rank", *inputs, *wanted, *outputs]
    with open(place / "log", "wb") as log:
        running = subprocess.Popen(command, cwd=place, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            follow(running, variant, place, arguments.iterations)
        finally:
            running.terminate()
            running.wait()
    found = read_json(place / "found.json")
    if found is not None and running.returncode == 0:
        return found
    lines = (place / "log").read_text(errors="replace").splitlines()
    return {"error": f"{variant.name} ended with code {running.returncode}:\n" + "\n".join(lines[-LOG_LINES:])}


def follow(running: subprocess.Popen[bytes], variant: Variant, place: Path, steps: int) -> None:
    """Waits for the end of the process and prints its progress about once a second."""
    while True:
        try:
            running.wait(1)
            return
        except subprocess.TimeoutExpired:
            events = read_events(place / "job/progress.jsonl")
            done = max((one["iteration"] for one in events if one["type"] == "step"), default=0)
            print(json.dumps({"stage": variant.name, "done": done, "total": steps}), flush=True)


def plan_of(arguments: argparse.Namespace, variant: Variant, recipe: Any) -> dict[str, Any]:
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
    """The document that configs/schema/gpu-check.ts describes."""
    whole = [found for _, found in measured if "error" not in found]
    stock = next((found["losses"] for variant, found in measured if variant.name == "stock"), None)
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
        "versions": whole[0]["versions"] if whole else {},
        "projection": projection,
        "variants": [describe(arguments, projection, variant, found, stock) for variant, found in measured],
    }


def describe(
    arguments: argparse.Namespace,
    projection: dict[str, int],
    variant: Variant,
    found: dict[str, Any],
    stock: list[float | None] | None,
) -> dict[str, Any]:
    about = {"name": variant.name, "switches": list(variant.speed), "loaderWorkers": variant.loader_workers}
    if "error" in found:
        return {**about, "error": found["error"], "measured": None}
    steps = found["seconds"][warm_up(arguments.iterations) :]
    mean = statistics.fmean(steps)
    whole_training = mean * projection["stepsPerEpoch"] * projection["epochs"]
    figures = {
        "secondsPerStep": {"p50": statistics.median(steps), "p95": percentile(steps, 0.95), "mean": mean},
        "imagesPerSecond": arguments.gpus * arguments.batch_per_gpu / mean,
        "peakMemoryMib": found["peakMemoryMib"],
        "memoryInUseMib": found["memoryInUseMib"],
        "projectedHours": whole_training / 3600,
        "lossDifference": None if stock is None or variant.name == "stock" else difference(found["losses"], stock),
        "seconds": found["seconds"],
        "losses": found["losses"],
    }
    return {**about, "error": None, "measured": figures}


def warm_up(iterations: int) -> int:
    """Returns the number of warm-up steps: cuDNN tunes, the allocator grows, loader processes start."""
    return min(MOST_WARM_UP, iterations // 4)


def percentile(values: list[float], share: float) -> float:
    """Returns the smallest value that the given share does not exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def difference(losses: list[float | None], others: list[float | None]) -> dict[str, float] | None:
    """Returns the largest and mean distance of two loss curves and the mean loss; None if a loss is missing."""
    pairs = list(zip(losses, others, strict=True))
    if any(one is None or other is None for one, other in pairs):
        return None
    distances = [abs(one - other) for one, other in pairs]
    return {
        "max": max(distances),
        "mean": statistics.fmean(distances),
        "meanLoss": statistics.fmean(others),
    }
