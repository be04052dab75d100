"""Measures how much the speed switches gain on this machine, and whether they change the losses.

`python -m everswin_trainer gpu-check --recipe FILE --device cuda --out FILE` trains the recipe for some steps on
synthetic images of COCO's sizes. `stock` is MMDetection's own code, and `fast` turns on the switches whose results
equal it on a CPU. Their trainings alternate in one process for some rounds, on the same batches (gpu_check_rank.py).
`compiled` also compiles the backbone, and comes last because that may take minutes.
"""

import argparse
import json
import subprocess
import sys
import time
from itertools import takewhile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from everswin_trainer.benchmark.coco_like import draw_dataset
from everswin_trainer.benchmark.gpu_check_summary import STAGE, Variant, answer, warm_up
from everswin_trainer.job.speed import SWITCHES
from everswin_trainer.model.recipe import fingerprint, load_recipe
from everswin_trainer.system.atomic_file import parse_object, read_json, write_json
from everswin_trainer.system.process_tree import unwind_on_sigterm

PROVED = ("fewerSyncs", "sdpaAttention", "fusedAdamW", "channelsLast")
# Switches that change the process, in which all variants are measured.
OF_PROCESS = ("tf32", "expandableSegments")
IMAGE_FILES = 64
# Result of the ranks (gpu_check_rank.py).
RESULT = "result.json"
LOG_LINES = 40
# Part of the line in which torchrun reports that a rank failed, after the lines of the rank.
LAUNCHER_REPORT = "torch/distributed/elastic/multiprocessing/api.py"
# Share of the time that is left for the profiles, which follow the alternating trainings.
PROFILE_SHARE = 0.1
# Most of the time that is kept for the compiled variant.
COMPILE_SHARE = 1 / 3
# Seconds for the ranks to end by themselves before they are terminated.
GRACE_SECONDS = 5


def parse(argv: list[str]) -> argparse.Namespace:
    alternating = [name for name in SWITCHES if name not in OF_PROCESS]
    parser = argparse.ArgumentParser(prog="everswin_trainer gpu-check")
    parser.add_argument("--recipe", type=Path, required=True)
    parser.add_argument("--device", choices=("cpu", "cuda"), required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--iterations", type=int, default=60, help="steps per variant and round")
    parser.add_argument("--rounds", type=int, default=3, help="trainings of each variant")
    parser.add_argument("--minutes", type=float, default=6, help="end after this time, with fewer steps if necessary")
    parser.add_argument("--compile-seconds", type=float, default=120, help="limit of the compiled variant")
    parser.add_argument("--gpus", type=int, default=1, help="GPUs to measure on; on a CPU, the number of ranks")
    parser.add_argument("--for-gpus", type=int, default=4, help="GPUs of the projected training")
    parser.add_argument("--batch-per-gpu", type=int, default=2)
    parser.add_argument("--loader-workers", type=int, default=2, help="per GPU, in the stock variant")
    parser.add_argument("--fast-loader-workers", type=int, default=4, help="per GPU, in the other variants")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--weights", type=Path, help="weights of the backbone; random by default")
    parser.add_argument(
        "--switches", nargs="*", choices=alternating, default=PROVED, help="switches of the fast variant"
    )
    parser.add_argument(
        "--variants", nargs="*", choices=("stock", "fast", "compiled"), help="default: all; on a CPU, not compiled"
    )
    return parser.parse_args(argv)


def main(argv: list[str]) -> int:
    """Writes the answer and returns 0. Returns 2 if this machine lacks the GPUs, and 1 if the stock variant fails."""
    started = time.monotonic()
    # Called without the command line, as from a bundle, SIGTERM would leave the ranks on the GPUs.
    unwind_on_sigterm()
    arguments = parse(argv)
    if problem := find_problem(arguments):
        print(problem, file=sys.stderr)
        return 2
    with TemporaryDirectory(prefix="everswin-gpu-check-") as folder:
        return check(arguments, Path(folder), started)


def find_problem(arguments: argparse.Namespace) -> str | None:
    """Returns why this machine cannot run the measurement, or None."""
    for name in ("iterations", "rounds"):
        if getattr(arguments, name) < 1:
            return f"expected --{name} to be at least 1, got {getattr(arguments, name)}"
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


def check(arguments: argparse.Namespace, folder: Path, started: float) -> int:
    """Measures all variants and writes the answer. Returns 1 if the stock variant fails, else 0."""
    recipe = load_recipe(arguments.recipe, None)
    # One step more than measured, so that no epoch ends.
    images = (arguments.iterations + 1) * arguments.batch_per_gpu * arguments.gpus
    draw_dataset(folder / "data", images, min(images, IMAGE_FILES), arguments.seed)
    variants = choose_variants(arguments)
    ends_at = started + arguments.minutes * 60
    write_settings(arguments, variants, recipe, folder, started, ends_at)
    failure = measure(arguments, folder, ends_at)
    result = read_json(folder / RESULT) or {"trainings": []}
    first = variants[0].name
    if not any(training["variant"] == first for training in result["trainings"]):
        print(f"{first}: {failure}", file=sys.stderr)
        return 1
    seconds = time.monotonic() - started
    write_json(arguments.out, answer(arguments, recipe.train_cfg.max_epochs, variants, result, failure, seconds))
    return 0


def choose_variants(arguments: argparse.Namespace) -> list[Variant]:
    fast = tuple(arguments.switches)
    all_variants = [
        Variant("stock", (), arguments.loader_workers),
        Variant("fast", fast, arguments.fast_loader_workers),
        Variant("compiled", (*fast, "compileBackbone"), arguments.fast_loader_workers),
    ]
    # On a CPU, compilation takes minutes.
    names = arguments.variants or (
        ["stock", "fast"] if arguments.device == "cpu" else [one.name for one in all_variants]
    )
    return [one for one in all_variants if one.name in names]


def write_settings(
    arguments: argparse.Namespace,
    variants: list[Variant],
    recipe: Any,
    folder: Path,
    started: float,
    ends_at: float,
) -> None:
    """Writes a plan for each variant, and the settings of the ranks."""
    plans = {}
    for variant in variants:
        plans[variant.name] = str(folder / f"{variant.name}.json")
        write_json(Path(plans[variant.name]), make_plan(arguments, variant, recipe))
    compiled = [variant.name for variant in variants if "compileBackbone" in variant.speed]
    available = ends_at - started
    reserved = min(arguments.compile_seconds, available * COMPILE_SHARE) * len(compiled) + available * PROFILE_SHARE
    settings = {
        "plans": plans,
        "alternating": [variant.name for variant in variants if variant.name not in compiled],
        "compiled": compiled,
        "rounds": arguments.rounds,
        "steps": arguments.iterations,
        "warm_up": warm_up(arguments.iterations),
        "alternating_until": ends_at - reserved,
        "ends_at": ends_at - GRACE_SECONDS,
        "compile_seconds": arguments.compile_seconds,
    }
    write_json(folder / "settings.json", settings)


def measure(arguments: argparse.Namespace, folder: Path, ends_at: float) -> str | None:
    """Runs the ranks. Returns why they did not complete, or None."""
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(arguments.gpus)]
    inputs = ["--settings", "settings.json", "--plan", f"{choose_variants(arguments)[0].name}.json"]
    inputs += ["--recipe", str(arguments.recipe.resolve()), "--data", "data", "--device", arguments.device]
    inputs += ["--weights", str(arguments.weights.resolve())] if arguments.weights else []
    outputs = ["--job-dir", "job", "--out", RESULT]
    command = [sys.executable, *launch, "-m", "everswin_trainer", "gpu-check-rank", *inputs, *outputs]
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            stopped = follow(process, folder, ends_at)
        finally:
            process.terminate()
            process.wait()
    if stopped or process.returncode == 0:
        return stopped
    log = (folder / "log").read_text(errors="replace").splitlines()
    lines = list(takewhile(lambda line: LAUNCHER_REPORT not in line, log))
    return f"the ranks ended with code {process.returncode}:\n" + "\n".join(lines[-LOG_LINES:])


def follow(process: subprocess.Popen[bytes], folder: Path, ends_at: float) -> str | None:
    """Waits for the end of the process and prints its progress about once a second. Returns why its time is over."""
    while True:
        try:
            process.wait(1)
            return None
        except subprocess.TimeoutExpired:
            file = folder / STAGE
            stage = parse_object(file.read_bytes()) if file.exists() else None
            if stage:
                print(json.dumps({name: stage[name] for name in ("stage", "done", "total")}), flush=True)
            until = min(ends_at, stage["until"] + GRACE_SECONDS) if stage else ends_at
            if time.monotonic() > until:
                doing = f"during: {stage['stage']}, step {stage['done'] + 1}" if stage else "while the ranks started"
                return f"stopped because its time was over, {doing}. Pass more --minutes or fewer --iterations"


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
