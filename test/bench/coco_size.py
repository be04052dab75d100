"""Measures preparation, start and memory at COCO's size.

    PYTHONPATH=trainer .everswin/tools/trainer-env/bin/python test/bench/coco_size.py prepare ARCHIVES FOLDER
    PYTHONPATH=trainer .everswin/tools/trainer-env/bin/python test/bench/coco_size.py start FOLDER --repeats 5

ARCHIVES holds train2017.zip, val2017.zip and annotations_trainval2017.zip; FOLDER is the prepared data set. `start`
runs the supervisor, torchrun and one rank on a CPU with Swin-S, as the worker does: from the first weights, resumed
from a checkpoint, and after kill -9 of the rank, without and with a standby. Times come from the kernel and the job's
files: the trainer is unmodified.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from memory import memory_maps
from record import ROOT, figure, keep, print_figures, rounded, surroundings

sys.path.insert(0, str(ROOT / "trainer/tests"))

from own_data import coco_spec

from everswin_trainer.demo.mini_weights import mini_swin_checkpoint
from everswin_trainer.job.progress import ProgressReader
from everswin_trainer.job.speed import SWITCHES
from everswin_trainer.model.recipe import fingerprint, load_recipe
from everswin_trainer.system.process_tree import descendants, start_ticks

RECIPES = {
    "swin-s": "cascade-mask-rcnn_swin-s_blog",
    "demo": "cascade-mask-rcnn_swin-demo",
}
# Target in seconds until `started` and until the first step begins.
KINDS = {"fresh": 12, "resumed": 12, "crashed": 12, "standby": 3}
# Room for the command lines and the variables that /proc shows of a standby.
RESERVED_ARGUMENT, RESERVED_VARIABLE = "-" * 32768, "-" * 8192
MEMORY = (
    ("rank resident before the first step", "rank", "rss", "<= 1638"),
    ("rank private and dirty before the first step", "rank", "privateDirty", None),
    ("loader worker private in the first step", "worker", "private", "<= 60"),
)
POLL_SECONDS = 0.02
TICKS = os.sysconf("SC_CLK_TCK")
ENVIRONMENT = {
    **{name: os.environ[name] for name in ("PATH", "HOME")},
    "PYTHONPATH": str(ROOT / "trainer"),
    "OMP_NUM_THREADS": "1",
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="coco_size.py")
    commands = parser.add_subparsers(dest="command", required=True)
    prepare = commands.add_parser("prepare")
    prepare.add_argument("archives", type=Path)
    start = commands.add_parser("start")
    start.add_argument("--recipe", choices=RECIPES, default="swin-s")
    start.add_argument("--workers", type=int, default=2)
    for one in (prepare, start):
        one.add_argument("folder", type=Path)
        one.add_argument("--seed", type=int, default=1)
        one.add_argument("--repeats", type=int, default=1)
        one.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    record = surroundings(arguments)
    if arguments.command == "prepare":
        measured = measure_preparation(coco_spec(arguments.archives, classes=80), arguments.folder)
    else:
        measured = measure_starts(arguments)
    print_figures(measured["figures"])
    keep(arguments.out, {**record, **measured})


def measure_preparation(spec: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Prepares a data set into FOLDER. Memory is that of all processes, sampled five times a second."""
    path = folder.with_name(f"{folder.name}.spec.json")
    path.write_text(json.dumps(spec))
    answer = path.with_suffix(".answer.json")
    command = [sys.executable, "-m", "everswin_trainer", "prepare-dataset"]
    command += ["--spec", str(path), "--into", str(folder), "--out", str(answer)]
    begin, before = time.monotonic(), os.times()
    process = subprocess.Popen(command, env=ENVIRONMENT)
    peak: dict[str, float] = {}
    while process.poll() is None:
        memory = [memory_of(pid) for pid in (process.pid, *descendants(process.pid))]
        for name in ("pss", "privateDirty"):
            peak[name] = max(peak.get(name, 0), sum(one.get(name, 0) for one in memory))
        time.sleep(0.2)
    seconds, after = time.monotonic() - begin, os.times()
    cpu = after.children_user - before.children_user + after.children_system - before.children_system
    figures = [
        figure("prepare-dataset, wall time", "s", [seconds]),
        figure("prepare-dataset, CPU time", "s", [cpu]),
        figure("peak of all processes, proportional", "MiB", [peak["pss"]], "<= 2560"),
        figure("peak of all processes, private and dirty", "MiB", [peak["privateDirty"]]),
    ]
    return {
        "figures": figures,
        "exitCode": process.returncode,
        "answer": json.loads(answer.read_bytes()),
    }


def measure_starts(arguments: argparse.Namespace) -> dict[str, Any]:
    samples = []
    with tempfile.TemporaryDirectory(prefix="everswin-coco-") as folder:
        job = Job(Path(folder), arguments)
        for repeat in range(arguments.repeats):
            job.clear()
            for kind in KINDS:
                samples.append({"repeat": repeat, "kind": kind, **job.measure(kind)})
                print(json.dumps(rounded(samples[-1])), flush=True)
    figures = []
    for kind, seconds in KINDS.items():
        of_kind = [one for one in samples if one["kind"] == kind]
        for name, target in (
            ("rank alive", None),
            ("started", f"<= {seconds}"),
            ("first step begins", f"<= {seconds}"),
        ):
            figures.append(
                figure(
                    f"{kind}: until {name}",
                    "s",
                    [one["seconds"][name] for one in of_kind],
                    target,
                )
            )
        figures.append(
            figure(
                f"{kind}: CPU time until started",
                "s",
                [one["cpuSeconds"] for one in of_kind],
            )
        )
        for name, process, field, target in MEMORY:
            values = [one["memory"][process][field] for one in of_kind]
            figures.append(figure(f"{kind}: {name}", "MiB", values, target))
    return {"figures": figures, "samples": samples}


class Job:
    """A job with one rank that starts again and again, each time until its first step has ended."""

    def __init__(self, root: Path, arguments: argparse.Namespace) -> None:
        self._root, self._folder, self._attempt = root, root / "train", 0
        self._recipe = ROOT / f"configs/mmdet/{RECIPES[arguments.recipe]}.py"
        self._plan, self._data = root / "plan.json", arguments.folder.resolve()
        self._plan.write_text(json.dumps(make_plan(self._recipe, arguments)))
        self._weights = convert_weights(root, self._recipe, arguments.recipe)

    def clear(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def measure(self, kind: str) -> dict[str, Any]:
        """Starts the job, and stops it after its first step. Returns seconds since the start, or since the crash."""
        resume = [] if kind == "fresh" else sorted((self._folder / "checkpoints").glob("*.pth"))[-1:]
        standby = self._prepare_standby() if kind == "standby" else None
        begin = self._crash(resume) if kind in ("crashed", "standby") else time.time()
        with self._start(resume, standby) as run:
            result = run.observe(begin)
            run.stop()
        return result

    def _prepare_standby(self) -> "subprocess.Popen[bytes]":
        """Starts a standby as the worker does. Returns once it has imported everything."""
        options = ["--job-dir", str(self._folder), "--device", "cpu", "--ranks", "1", "--", RESERVED_ARGUMENT]
        standby = subprocess.Popen(
            [sys.executable, "-m", "everswin_trainer", "standby", *options],
            cwd=self._root,
            env={**ENVIRONMENT, "EVERSWIN_WORKER_PID": str(os.getpid()), "EVERSWIN_RESERVED": RESERVED_VARIABLE},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert standby.stdout
        assert standby.stdout.readline() == b"ready\n"
        return standby

    def _crash(self, resume: list[Path]) -> float:
        """Kills a rank in its first step. Returns when, once the supervisor has recorded it."""
        with self._start(resume) as run:
            run.wait_for("started")
            begin = time.time()
            os.kill(run.rank, signal.SIGKILL)
            run.supervisor.wait()
        return begin

    def _start(self, resume: list[Path], standby: "subprocess.Popen[bytes] | None" = None) -> "Run":
        self._attempt += 1
        inputs = [
            "--plan",
            self._plan,
            "--recipe",
            self._recipe,
            "--data",
            self._data,
            "--job-dir",
            self._folder,
        ]
        train = [
            "-m",
            "everswin_trainer",
            "train",
            *inputs,
            "--device",
            "cpu",
            "--weights",
            self._weights,
        ]
        torchrun = [
            "-m",
            "torch.distributed.run",
            "--standalone",
            "--nproc-per-node",
            "1",
            "--max-restarts",
            "0",
        ]
        supervise = [
            "-m",
            "everswin_trainer",
            "supervise",
            "--job-dir",
            self._folder,
            "--grace-seconds",
            "120",
        ]
        supervise += [
            "--attempt",
            self._attempt,
            "--fence",
            self._attempt,
            "--",
            sys.executable,
        ]
        resumed = ["--resume", *resume] if resume else []
        return Run(
            self._folder,
            self._attempt,
            [str(one) for one in (*supervise, *torchrun, *train, *resumed)],
            standby,
        )


class Run:
    """A running attempt of a job."""

    def __init__(
        self, folder: Path, attempt: int, command: list[str], standby: "subprocess.Popen[bytes] | None"
    ) -> None:
        self._folder, self._attempt = folder, attempt
        self.rank = 0
        if standby:
            assert standby.stdin
            standby.stdin.write(json.dumps({"argv": command, "env": ENVIRONMENT}).encode() + b"\n")
            standby.stdin.close()
        self.supervisor = standby or subprocess.Popen(
            [sys.executable, *command],
            cwd=folder.parent,
            env=ENVIRONMENT,
            stdout=subprocess.DEVNULL,
        )

    def __enter__(self) -> "Run":
        return self

    def __exit__(self, *_: object) -> None:
        """The supervisor ends its rank within the grace period, also after an error here."""
        if self.supervisor.poll() is None:
            self.stop()

    def stop(self) -> None:
        self.supervisor.send_signal(signal.SIGTERM)
        self.supervisor.wait()

    def observe(self, begin: float) -> dict[str, Any]:
        """Returns times since `begin`, CPU time of all processes, and memory before the first step."""
        started = self.wait_for("started")
        cpu = sum(map(cpu_seconds, self._processes()))
        memory = {"rank": memory_of(self.rank)}
        alive = started_at(self.rank)
        largest: dict[str, float] = {}
        while not (step := self._event("step")):
            self._check()
            for worker in children(self.rank):
                for name, value in memory_of(worker).items():
                    largest[name] = max(value, largest.get(name, 0))
            time.sleep(POLL_SECONDS)
        seconds = {
            "rank alive": alive - begin,
            "started": started["t"] - begin,
            "first step begins": step["t"] - begin - step["stepSeconds"] + step["dataSeconds"],
            "first step ends": step["t"] - begin,
        }
        memory["worker"] = largest
        return {
            "seconds": seconds,
            "cpuSeconds": cpu,
            "memory": memory,
            "load": os.getloadavg()[0],
        }

    def wait_for(self, kind: str) -> dict[str, Any]:
        while not (event := self._event(kind)):
            self._check()
            time.sleep(POLL_SECONDS)
        self.rank = event["pids"][0]
        return event

    def _check(self) -> None:
        if self.supervisor.poll() is not None:
            raise RuntimeError((self._folder / "trainer.log").read_text()[-4000:])

    def _event(self, kind: str) -> dict[str, Any] | None:
        events = ProgressReader(self._folder / "progress.jsonl").events()
        return next(
            (one for one in events if one["type"] == kind and one["attempt"] == self._attempt),
            None,
        )

    def _processes(self) -> list[int]:
        return [self.supervisor.pid, *descendants(self.supervisor.pid)]


def make_plan(recipe: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    return {
        "v": 1,
        "runId": "coco-size",
        "planHash": "0" * 64,
        "recipe": {
            "name": recipe.stem,
            "sha256": fingerprint(load_recipe(recipe, None)),
        },
        "weights": {"detector": {"classes": None}},
        "epochs": 36,
        "seed": arguments.seed,
        "gpus": 1,
        "batchPerGpu": 1,
        "loaderWorkers": arguments.workers,
        "logEverySteps": 1,
        "checkpoint": {"everyMinutes": 60, "keepLast": 3},
        "speed": dict.fromkeys(SWITCHES, False),
    }


def convert_weights(root: Path, recipe: Path, name: str) -> Path:
    """Converts generated weights in the layout of the Swin authors, as `convert-weights` does for a run."""
    made = root / "made.pth"
    if name == "demo":
        made.write_bytes(mini_swin_checkpoint())
    else:
        import torch
        from swin_layout import SIZES, imagenet_file

        torch.save({"model": imagenet_file(SIZES["s"])}, made)
    into, out = root / "converted", root / "converted.json"
    command = [
        "convert-weights",
        "--recipe",
        recipe,
        "--weights",
        made,
        "--into",
        into,
        "--out",
        out,
    ]
    subprocess.run(
        [sys.executable, "-m", "everswin_trainer", *map(str, command)],
        env=ENVIRONMENT,
        check=True,
    )
    return into.with_suffix(".safetensors")


def memory_of(pid: int) -> dict[str, float]:
    """Returns memory in MiB. `private` includes pages of files that no other process has mapped."""
    try:
        pages = memory_maps(pid)
    except OSError:
        return {}
    return {
        "rss": pages["Rss"],
        "pss": pages["Pss"],
        "private": pages["Private_Clean"] + pages["Private_Dirty"],
        "privateDirty": pages["Private_Dirty"],
    }


def children(pid: int) -> list[int]:
    try:
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def started_at(pid: int) -> float:
    """Returns the Unix time at which a process started."""
    ticks = start_ticks(pid)
    assert ticks is not None
    uptime = float(Path("/proc/uptime").read_text().split()[0])
    return time.time() - uptime + ticks / TICKS


if __name__ == "__main__":
    main()
