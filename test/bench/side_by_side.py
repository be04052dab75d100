"""Compares a training of everswin's trainer with MMDetection's own tools/train.py: start, memory, step time, resume.

    PYTHONPATH=trainer .everswin/tools/trainer-env/bin/python test/bench/side_by_side.py --seed 1 --repeats 5

Both run under torchrun with one rank, DistributedDataParallel over gloo, and two loader workers, one after the other,
in an order that alternates. SIGTERM, as a preempted machine sends it, ends them in the middle of an epoch, and the same
command with `--resume` continues. The speed of a shared machine changes within seconds, so steps are compared in short
blocks: both trainings are loaded, and one is frozen while the other steps.

everswin runs with the switch whose results are the same bits (`fewerSyncs`). By default, both train the demo on its own
data. `--recipe`, `--prepared` (by prepare-dataset) and `--files` (the same images as files) select another training;
its weights are random.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from memory import memory_maps
from record import ROOT, figure, keep, make_parser, print_figures, surroundings
from stock_config import DEMO
from stock_hook import STEP_TIMES_FILE

sys.path.append(str(ROOT / "trainer/tests"))

from conftest import read_events
from everswin_trainer.job.folder import Attempt, Job
from everswin_trainer.job.speed import SWITCHES
from everswin_trainer.model.recipe import fingerprint, load_recipe
from everswin_trainer.system.process_tree import find_by_environment, kill_processes

BENCH = ROOT / "test/bench"
# Marks all processes of a contender.
MARK = "EVERSWIN_SIDE_BY_SIDE"
POLL_SECONDS = 0.02
# The first steps allocate memory and start loader workers.
WARM_UP = 5
# Steps of a block; the first one after a stop does not count.
BLOCK = 7
TIMEOUT_SECONDS = 3600


@dataclass
class Case:
    """What both train. `prepared` and `files` hold the same data set."""

    recipe: Path
    prepared: Path
    files: Path
    weights: Path
    stop_after: int


@dataclass
class Measured:
    """One start, interruption and resumption."""

    start_seconds: float = 0
    tree_mib: float = 0
    rank_mib: float = 0
    resume_seconds: float = 0
    steps_repeated: int = 0


class Contender:
    """A training in its own folder. Subclasses tell how to start it and where it records its steps."""

    name: str

    def __init__(self, folder: Path, case: Case) -> None:
        folder.mkdir()
        self.folder, self.case = folder, case

    def command(self, resume: bool) -> list[str]:
        raise NotImplementedError

    def steps(self) -> list[tuple[int, float]]:
        """Returns iteration and Unix time of each step, in the order of their ends."""
        raise NotImplementedError

    def start(self, resume: bool) -> subprocess.Popen[bytes]:
        launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "1"]
        variables = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{ROOT / 'trainer'}:{BENCH}",
            "OMP_NUM_THREADS": "1",
            MARK: str(self.folder),
            **Attempt(2 if resume else 1, 2 if resume else 1).environment(Job.at(self.folder)),
        }
        with open(self.folder / "log", "ab") as log:
            command = [sys.executable, *launch, *self.command(resume)]
            return subprocess.Popen(command, env=variables, cwd=self.folder, stdout=log, stderr=log)

    def processes(self) -> list[int]:
        return find_by_environment(MARK, str(self.folder))


class Everswin(Contender):
    name = "everswin"

    def __init__(self, folder: Path, case: Case) -> None:
        super().__init__(folder, case)
        plan = {
            "v": 1,
            "runId": "side-by-side",
            "planHash": "0" * 64,
            "recipe": {"name": case.recipe.stem, "sha256": fingerprint(load_recipe(case.recipe, None))},
            "epochs": 36,
            "seed": 0,
            "gpus": 1,
            "batchPerGpu": 2,
            "loaderWorkers": 2,
            "logEverySteps": 1,
            "checkpoint": {"everyMinutes": 10, "keepLast": 2},
            "speed": {name: name == "fewerSyncs" for name in SWITCHES},
        }
        (folder / "plan.json").write_text(json.dumps(plan))
        self._read: tuple[int, list[tuple[int, float]]] = (0, [])

    def command(self, resume: bool) -> list[str]:
        files = ["--plan", "plan.json", "--recipe", str(self.case.recipe), "--data", str(self.case.prepared)]
        files += ["--job-dir", str(self.folder), "--device", "cpu", "--weights", str(self.case.weights)]
        newest = max((self.folder / "checkpoints").glob("*.pth"), default=None) if resume else None
        return ["-m", "everswin_trainer", "train", *files, *(["--resume", str(newest)] if newest else [])]

    def steps(self) -> list[tuple[int, float]]:
        path = self.folder / "progress.jsonl"
        size = path.stat().st_size if path.exists() else 0
        # Parsing at each poll would take time from the training.
        if size != self._read[0]:
            steps = [(one["iteration"], one["t"]) for one in read_events(path) if one["type"] == "step"]
            self._read = (size, steps)
        return self._read[1]


class Stock(Contender):
    name = "stock"

    def __init__(self, folder: Path, case: Case) -> None:
        super().__init__(folder, case)
        write = [sys.executable, str(BENCH / "stock_config.py"), str(case.files), str(case.weights)]
        write += [str(folder / "stock.py"), "--recipe", str(case.recipe), "--loader-workers", "2", "--ddp"]
        subprocess.run(write, env={"PYTHONPATH": f"{ROOT / 'trainer'}:{BENCH}"}, check=True)

    def command(self, resume: bool) -> list[str]:
        script = [str(BENCH / "stock_train.py"), "stock.py", "--work-dir", "work", "--launcher", "pytorch"]
        return [*script, *(["--resume"] if resume else [])]

    def steps(self) -> list[tuple[int, float]]:
        path = self.folder / STEP_TIMES_FILE
        lines = path.read_text().splitlines(keepends=True) if path.exists() else []
        pairs = [line.split() for line in lines if line.endswith("\n")]
        return [(int(iteration), float(at)) for iteration, at in pairs]


def main() -> None:
    arguments = parse()
    record = surroundings(arguments)
    with tempfile.TemporaryDirectory(prefix="everswin-bench-") as made:
        case = choose_case(arguments, Path(made))
        raw: dict[str, list[dict[str, Any]]] = {kind.name: [] for kind in (Everswin, Stock)}
        for repeat in range(arguments.repeats):
            for kind in (Everswin, Stock) if repeat % 2 == 0 else (Stock, Everswin):
                one = measure(kind(Path(made) / f"{kind.name}-{repeat}", case))
                raw[kind.name].append(vars(one))
                print(f"{kind.name}: {vars(one)}", flush=True)
        blocks = compare_steps([kind(Path(made) / f"{kind.name}-steps", case) for kind in (Everswin, Stock)], arguments)
    figures = [*summarize(raw), *summarize_steps(blocks)]
    print_figures(figures)
    keep(arguments.out, {**record, "recipe": case.recipe.stem, "figures": figures, "raw": raw, "stepSeconds": blocks})


def parse() -> argparse.Namespace:
    parser = make_parser("side_by_side.py", repeats=5)
    parser.add_argument("--recipe", type=Path, default=DEMO)
    parser.add_argument("--prepared", type=Path, help="data set that prepare-dataset wrote")
    parser.add_argument("--files", type=Path, help="its images and annotations as files in COCO's layout")
    parser.add_argument("--blocks", type=int, default=60, help="pairs of blocks in which steps are compared")
    parser.add_argument("--stop-after", type=int, default=69, help="steps; the demo's epoch has 46")
    return parser.parse_args()


def choose_case(arguments: argparse.Namespace, folder: Path) -> Case:
    if arguments.prepared:
        weights = folder / "weights.pth"
        make_weights(load_recipe(arguments.recipe, None).model.backbone, weights)
        return Case(arguments.recipe.resolve(), arguments.prepared, arguments.files, weights, arguments.stop_after)
    from own_data import prepare_mini

    subprocess.run([sys.executable, "-m", "everswin_trainer", "mini-coco", "--out", str(folder)], check=True)
    assert prepare_mini(folder, folder / "prepared")["ok"]
    for name in ("train2017", "val2017", "annotations_trainval2017"):
        zipfile.ZipFile(folder / f"{name}.zip").extractall(folder / "files")
    weights = folder / "swin_mini_patch4_window7_224.pth"
    return Case(arguments.recipe.resolve(), folder / "prepared", folder / "files", weights, arguments.stop_after)


def make_weights(backbone: Any, path: Path) -> None:
    """Writes random weights of a backbone in the layout of the Swin authors."""
    import torch
    from swin_layout import Size, imagenet_file

    size = Size(backbone.embed_dims, tuple(backbone.depths), tuple(backbone.num_heads))
    torch.save({"model": imagenet_file(size)}, path)


def measure(contender: Contender) -> Measured:
    """Trains until the planned step, interrupts with SIGTERM, and resumes until the first step."""
    out = Measured()
    process = contender.start(resume=False)
    begin = time.time()
    try:
        wait_for_steps(contender, process, 1)
        out.start_seconds = contender.steps()[0][1] - begin
        wait_for_steps(contender, process, contender.case.stop_after)
        out.tree_mib, out.rank_mib = memory(contender.processes())
        process.send_signal(signal.SIGTERM)
        process.wait(120)
        done = contender.steps()
        process = contender.start(resume=True)
        begin = time.time()
        wait_for_steps(contender, process, len(done) + 1)
        iteration, at = contender.steps()[len(done)]
        out.resume_seconds = at - begin
        out.steps_repeated = done[-1][0] - (iteration - 1)
    finally:
        kill_processes(contender.processes())
        process.wait()
    return out


def compare_steps(contenders: list[Contender], arguments: argparse.Namespace) -> dict[str, list[float]]:
    """Returns the median step of each block. Block for block, one contender steps right after the other."""
    blocks: dict[str, list[float]] = {one.name: [] for one in contenders}
    running = []
    try:
        for contender in contenders:
            running.append((contender, contender.start(resume=False)))
            wait_for_steps(*running[-1], WARM_UP)
            send(contender, signal.SIGSTOP)
        for block in range(arguments.blocks):
            for contender, process in running if block % 2 == 0 else reversed(running):
                before = len(contender.steps())
                send(contender, signal.SIGCONT)
                wait_for_steps(contender, process, before + BLOCK)
                send(contender, signal.SIGSTOP)
                times = [at for _, at in contender.steps()[before:]]
                blocks[contender.name].append(statistics.median(end - start for start, end in pairwise(times)))
    finally:
        for contender, process in running:
            kill_processes(contender.processes())
            process.wait()
    return blocks


def send(contender: Contender, number: signal.Signals) -> None:
    for pid in contender.processes():
        os.kill(pid, number)


def wait_for_steps(contender: Contender, process: subprocess.Popen[bytes], count: int) -> None:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while len(contender.steps()) < count:
        if process.poll() is not None or time.monotonic() > deadline:
            log = (contender.folder / "log").read_text(errors="replace")[-4000:]
            raise RuntimeError(f"{contender.name} ended or hangs before step {count}:\n{log}")
        time.sleep(POLL_SECONDS)


def memory(pids: list[int]) -> tuple[float, float]:
    """Returns the memory of all processes, with shared pages counted once, and the largest resident size, in MiB."""
    maps = [memory_maps(pid) for pid in pids]
    return sum(one["Pss"] for one in maps), max(one["Rss"] for one in maps)


def summarize(raw: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    units = {
        "start_seconds": "s",
        "tree_mib": "MiB",
        "rank_mib": "MiB",
        "resume_seconds": "s",
        "steps_repeated": "steps",
    }
    return [
        figure(f"{kind}: {name}", unit, [one[name] for one in rows])
        for name, unit in units.items()
        for kind, rows in raw.items()
    ]


def summarize_steps(blocks: dict[str, list[float]]) -> list[dict[str, Any]]:
    pairs = zip(blocks[Everswin.name], blocks[Stock.name], strict=True)
    return [
        *(figure(f"{name}: median step of a block", "s", steps) for name, steps in blocks.items()),
        figure("everswin / stock: step", "", [ours / stock for ours, stock in pairs], "<= 0.97"),
    ]


if __name__ == "__main__":
    main()
