"""Prints and saves the results of the Python benchmarks: machine, figures and raw measurements."""

import argparse
import json
import math
import os
import platform
import random
import shlex
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RESAMPLES = 2000


def parse_arguments(program: str, repeats: int) -> argparse.Namespace:
    return make_parser(program, repeats).parse_args()


def make_parser(program: str, repeats: int) -> argparse.ArgumentParser:
    """Returns a parser of the options that all benchmarks have."""
    parser = argparse.ArgumentParser(prog=program)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=repeats)
    parser.add_argument("--out", type=Path)
    return parser


def figure(name: str, unit: str, samples: list[float], target: str | None = None) -> dict[str, Any]:
    """Returns a figure with confidence intervals of median and 95th percentile, by seeded bootstrap."""
    draw = random.Random(name)
    drawn = [draw.choices(samples, k=len(samples)) for _ in range(RESAMPLES)]

    def interval(share: float) -> list[float]:
        found = [quantile(one, share) for one in drawn]
        return [quantile(found, 0.025), quantile(found, 0.975)]

    return {
        "name": name,
        "unit": unit,
        "n": len(samples),
        "mean": sum(samples) / len(samples),
        "p50": quantile(samples, 0.5),
        "p95": quantile(samples, 0.95),
        "most": max(samples),
        "p50Ci95": interval(0.5),
        "p95Ci95": interval(0.95),
        "target": target,
    }


def quantile(samples: list[float], share: float) -> float:
    """Returns the quantile by nearest rank, which is a measured value."""
    return sorted(samples)[max(0, math.ceil(share * len(samples)) - 1)]


def print_figures(figures: list[dict[str, Any]]) -> None:
    for one in figures:
        p50, p95 = (f"{one[name]:.4g} [{low:.4g}, {high:.4g}]" for name, (low, high) in _intervals(one))
        target = f" (target {one['target']})" if one["target"] else ""
        print(f"{one['name']}: n {one['n']}, p50 {p50}, p95 {p95}, most {one['most']:.4g} {one['unit']}{target}")


def _intervals(one: dict[str, Any]) -> list[tuple[str, list[float]]]:
    return [("p50", one["p50Ci95"]), ("p95", one["p95Ci95"])]


def surroundings(arguments: argparse.Namespace) -> dict[str, Any]:
    """Returns the environment of a benchmark. Call it before the measurement, because the load is part of it."""
    typed = [Path(sys.argv[0]).name, *sys.argv[1:]]
    status = _git("status", "--porcelain").splitlines()
    return {
        "command": f"PYTHONPATH=trainer .everswin/tools/trainer-env/bin/python test/bench/{shlex.join(typed)}",
        "seed": arguments.seed,
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "commit": _git("rev-parse", "HEAD").strip(),
        "uncommittedFiles": len(status),
        "machine": {
            "cpu": _first("/proc/cpuinfo", "model name"),
            "cores": os.cpu_count(),
            "memoryGb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
            "disk": _disk(),
            "loadBefore": os.getloadavg(),
        },
        "versions": {
            "linux": platform.release(),
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in ("torch", "onedl-mmengine", "onedl-mmdetection")},
        },
    }


def keep(path: Path | None, record: dict[str, Any]) -> None:
    if path is None:
        return
    text = json.dumps(rounded({"v": 1, **record, "loadAfter": os.getloadavg()}), indent=1, allow_nan=False)
    path.write_text(text.replace(str(ROOT), ".") + "\n")


def rounded(value: Any) -> Any:
    """Rounds to microseconds; further digits are noise."""
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    return [rounded(item) for item in value] if isinstance(value, (list, tuple)) else value


def _git(*command: str) -> str:
    return subprocess.run(["git", *command], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def _first(path: str, field: str) -> str:
    lines = Path(path).read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(field)), "unknown")


def _disk() -> str:
    mounts = [line.split(" ") for line in Path("/proc/mounts").read_text().splitlines()]
    device, _, kind = next(mount[:3] for mount in mounts if mount[1] == "/")
    return f"{kind} on {device.removeprefix('/dev/')}"
