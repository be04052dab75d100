"""Measures how long a save blocks training: ours, and the stock one on the same state in the same run.

    PYTHONPATH=trainer .everswin/tools/trainer-env/bin/python test/bench/checkpoint_blocking.py --seed 1 --repeats 10

The state is that of Swin-S Cascade Mask R-CNN: the model of the recipe and AdamW after one step, 12 bytes a parameter.
Training itself is simulated, because the model would take half a minute per step here. There are two kinds: `compute`
spends its time in a few large products on one core; `dispatch` makes thousands of small calls, like a training that
feeds a GPU, and so competes with the saver for the GIL. The last part is real MMDetection: the demo recipe, saving
every three seconds.
"""

import os

# One core for the simulated training, the other one for the saver. Set before torch is imported.
os.environ["OMP_NUM_THREADS"] = "1"

import json
import logging
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from mmdet.registry import MODELS
from mmdet.utils import register_all_modules
from mmengine.optim import build_optim_wrapper
from mmengine.runner.checkpoint import save_checkpoint
from record import ROOT, figure, keep, parse_arguments, print_figures, quantile, surroundings

from everswin_trainer.checkpoints.checkpoint import Origin
from everswin_trainer.checkpoints.saver import Saver, StateCopy
from everswin_trainer.job.folder import Attempt, Job
from everswin_trainer.job.plan import Plan
from everswin_trainer.job.progress import Progress, ProgressReader
from everswin_trainer.model import mmcv_ops
from everswin_trainer.model.recipe import fingerprint, load_recipe
from everswin_trainer.training.safe_types import to_safe_types
from everswin_trainer.training.state import Snapshots, size_in_bytes, weights_are_finite, write

RECIPES = ROOT / "configs/mmdet"
INTERVAL_SECONDS = 600.0
CALM_STEPS = 40
# Epochs and checkpoint interval of the demo training.
DEMO_EPOCHS, DEMO_SAVE_SECONDS = 3, 3.0

# Captures the live tensors as a state.
Capture = Callable[[], dict[str, Any]]


@dataclass
class Samples:
    """Seconds of each save, and of all steps."""

    # The first save of an attempt allocates memory; later saves reuse it.
    first_blocked: list[float] = field(default_factory=list)
    blocked: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)
    stock: list[float] = field(default_factory=list)
    steps: list[float] = field(default_factory=list)
    steps_while_saving: list[float] = field(default_factory=list)
    # Extra time of the steps during one save, compared with the same number of undisturbed steps.
    lost_to_slow_steps: list[float] = field(default_factory=list)


def main() -> None:
    arguments = parse_arguments("checkpoint_blocking.py", repeats=10)
    where = surroundings(arguments)
    torch.manual_seed(arguments.seed)
    logging.disable(logging.WARNING)
    mmcv_ops.install()
    register_all_modules(init_default_scope=True)
    capture, parameters = real_size_state()
    size = size_in_bytes(capture())
    print(f"state: {parameters / 1e6:.1f} M parameters, {size / 1e9:.3f} GB")
    figures, raw = [], {}
    for kind, step in (("compute", compute_step()), ("dispatch", dispatch_step())):
        samples = measure(capture, step, arguments.repeats)
        raw[kind] = vars(samples)
        figures += describe(kind, samples)
    raw["demo"] = measure_demo(arguments.seed)
    blocked = [one["blockedSeconds"] for one in raw["demo"]["checkpoints"]]
    figures += [
        figure("real MMDetection (demo): blocked", "s", blocked),
        figure("real MMDetection (demo): whole save", "s", [one["seconds"] for one in raw["demo"]["checkpoints"]]),
    ]
    print_figures(figures)
    about = {"parameters": parameters, "stateBytes": size, "intervalSeconds": INTERVAL_SECONDS}
    keep(arguments.out, {**where, **about, "figures": figures, "raw": raw})


def real_size_state() -> tuple[Capture, int]:
    """Returns a function equivalent to state.capture, and the number of parameters of the model."""
    config = load_recipe(RECIPES / "cascade-mask-rcnn_swin-s_paper.py", None)
    config.model.backbone.init_cfg = None
    model = MODELS.build(config.model)
    settings = dict(config.optim_wrapper, type="OptimWrapper")
    settings.pop("loss_scale", None)
    wrapper = build_optim_wrapper(model, settings)
    for parameter in model.parameters():
        parameter.grad = torch.randn_like(parameter)
    wrapper.step()
    wrapper.zero_grad()

    def capture() -> dict[str, Any]:
        return to_safe_types({"meta": {}, "state_dict": model.state_dict(), "optimizer": wrapper.state_dict()})

    return capture, sum(one.numel() for one in model.parameters())


def compute_step() -> Callable[[], None]:
    """Spends about 50 ms in matrix products."""
    left, right = torch.randn(1024, 1024), torch.randn(1024, 1024)

    def step() -> None:
        for _ in range(2):
            left @ right

    return step


def dispatch_step() -> Callable[[], None]:
    """Spends about 50 ms in small operations."""
    left, right = torch.randn(64), torch.randn(64)

    def step() -> None:
        for _ in range(25_000):
            torch.add(left, right)

    return step


def measure(capture: Capture, step: Callable[[], None], repeats: int) -> Samples:
    """Alternates two of our saves with a stock one, each after some undisturbed steps."""
    samples = Samples()
    folder = Path(tempfile.mkdtemp(prefix="everswin-bench-"))
    try:
        job = Job.at(folder / "train")
        plan = demo_plan(folder, seed=0, epochs=1)
        progress = Progress(job.progress, 1)
        origin, recorded = Origin(plan.plan_hash, Attempt(1, 1), torch.__version__), ProgressReader(job.progress)
        saver = Saver(job, plan, origin, progress, recorded, frozenset())
        for _ in range(repeats):
            snapshots = Snapshots()
            for blocked in (samples.first_blocked, samples.blocked):
                undisturbed = [timed(step) for _ in range(CALM_STEPS)]
                samples.steps += undisturbed
                slowed = save_as_we_do(capture, snapshots, step, job, saver)
                samples.steps_while_saving += slowed
                samples.lost_to_slow_steps.append(sum(slowed) - quantile(undisturbed, 0.5) * len(slowed))
                event = saved(job)[-1]
                blocked.append(event["blockedSeconds"])
                samples.whole.append(event["seconds"])
                os.sync()
            samples.stock.append(timed(lambda: save_as_mmengine_does(capture(), folder / "stock.pth")))
            os.sync()
    finally:
        shutil.rmtree(folder)
    return samples


def save_as_we_do(
    capture: Capture, snapshots: Snapshots, step: Callable[[], None], job: Job, saver: Saver
) -> list[float]:
    """Saves as checkpoint_hook.py does while training continues. Returns the durations of the steps."""
    before = len(saved(job))
    begin = time.monotonic()
    saver.wait()
    state = snapshots.take(capture())
    size = size_in_bytes(state)
    copy = StateCopy(
        epoch=0,
        iteration=before + 1,
        size_bytes=size,
        write=lambda stream: write(state, stream),
        is_finite=lambda: weights_are_finite(state),
    )
    saver.save(copy, request=0, blocked_since=begin)
    steps = []
    while len(saved(job)) == before:
        steps.append(timed(step))
        saver.raise_if_failed()
    saver.wait()
    return steps


def saved(job: Job) -> list[dict[str, Any]]:
    return [event for event in ProgressReader(job.progress).events() if event["type"] == "checkpoint"]


def save_as_mmengine_does(state: dict[str, Any], path: Path) -> None:
    """Saves as Runner.save_checkpoint does while training is blocked: torch.save to memory, one write, no fsync."""
    save_checkpoint(state, str(path))


def timed(work: Callable[[], None]) -> float:
    begin = time.monotonic()
    work()
    return time.monotonic() - begin


def describe(kind: str, samples: Samples) -> list[dict[str, Any]]:
    usual = quantile(samples.steps, 0.5)
    blocked_by_all = interleaved(samples)
    share = [100 * one / INTERVAL_SECONDS for one in blocked_by_all]
    with_slow_steps = [
        100 * (blocked + lost) / INTERVAL_SECONDS
        for blocked, lost in zip(blocked_by_all, samples.lost_to_slow_steps, strict=True)
    ]
    slowdown = [one / usual for one in samples.steps_while_saving]
    stock_share = [100 * one / INTERVAL_SECONDS for one in samples.stock]
    return [
        figure(f"{kind}: blocked by the first save", "s", samples.first_blocked, "<= 3"),
        figure(f"{kind}: blocked by a later save", "s", samples.blocked, "<= 3"),
        figure(f"{kind}: share of wall time at 10 min", "%", share, "<= 0.5"),
        figure(f"{kind}: whole save, in the background", "s", samples.whole),
        figure(f"{kind}: step", "s", samples.steps),
        figure(f"{kind}: step during a save / step", "times", slowdown),
        figure(f"{kind}: lost to slow steps by a save", "s", samples.lost_to_slow_steps),
        figure(f"{kind}: share with slow steps", "%", with_slow_steps),
        figure(f"{kind}: blocked by a stock save", "s", samples.stock),
        figure(f"{kind}: stock share at 10 min", "%", stock_share),
    ]


def interleaved(samples: Samples) -> list[float]:
    """Returns the checkpoint events in the order of the saves."""
    pairs = zip(samples.first_blocked, samples.blocked, strict=True)
    return [one for pair in pairs for one in pair]


def demo_plan(folder: Path, seed: int, epochs: int) -> Plan:
    path = folder / "plan.json"
    recipe = load_recipe(RECIPES / "cascade-mask-rcnn_swin-demo.py", None)
    content = {
        "v": 1,
        "runId": "bench",
        "planHash": "0" * 64,
        "recipe": {"name": "cascade-mask-rcnn_swin-demo", "sha256": fingerprint(recipe)},
        "epochs": epochs,
        "seed": seed,
        "gpus": 1,
        "batchPerGpu": 2,
        "loaderWorkers": 0,
        "logEverySteps": 1,
        "checkpoint": {"everyMinutes": DEMO_SAVE_SECONDS / 60, "keepLast": 2},
    }
    path.write_text(json.dumps(content))
    return Plan.load(path)


def measure_demo(seed: int) -> dict[str, Any]:
    """Trains some epochs of the demo on the CPU under its supervisor, as a worker starts it."""
    folder = Path(tempfile.mkdtemp(prefix="everswin-bench-"))
    try:
        demo_plan(folder, seed, DEMO_EPOCHS)
        data = next((ROOT / ".everswin/data/datasets").glob("mini-coco-*/"))
        weights = next((ROOT / ".everswin/data/weights/swin-mini-imagenet1k").glob("*.pth"))
        job = folder / "train"
        inputs = ["--plan", folder / "plan.json", "--recipe", RECIPES / "cascade-mask-rcnn_swin-demo.py"]
        inputs += ["--data", data, "--weights", weights, "--job-dir", job, "--device", "cpu"]
        launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "1", "--max-restarts", "0"]
        program = [sys.executable, *launch, "-m", "everswin_trainer", "train", *map(str, inputs)]
        supervise = ["supervise", "--job-dir", str(job), "--attempt", "1", "--fence", "1", "--", *program]
        environment = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "PYTHONPATH": str(ROOT / "trainer")}
        command = [sys.executable, "-m", "everswin_trainer", *supervise]
        subprocess.run(command, env=environment, check=True, capture_output=True, timeout=600)
        events = [json.loads(line) for line in (job / "progress.jsonl").read_text().splitlines()]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    steps = [event["stepSeconds"] for event in events if event["type"] == "step"]
    wanted = ("iteration", "bytes", "seconds", "blockedSeconds")
    checkpoints = [{name: event[name] for name in wanted} for event in events if event["type"] == "checkpoint"]
    return {"checkpoints": checkpoints, "stepSeconds": steps}


if __name__ == "__main__":
    main()
