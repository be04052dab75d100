"""Measures the time from a verified archive to a data set that is ready to train: `prepare-dataset` and `unzip -q`.

    PYTHONPATH=trainer .everswin/tools/trainer-env/bin/python test/bench/ready.py --seed 1 --repeats 5

The archive has 12,000 stored JPEG files, about 1.87 GB in the page cache; the annotations have one object per image.
The four contenders alternate:

- `prepare-dataset`: a new process reads every byte, checks CRC-32, header and size of all images, decodes 32 of them,
  checks the annotations, and writes annotations and index with fsync. Training can start afterwards.
- `unzip -q` of both archives: checks CRC-32 and writes files without fsync. Images and annotations remain unchecked.
- `unzip -q` followed by `sync`, and `prepare-dataset` with `extract`: both write files that survive a power failure.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from photos import make_archives
from record import ROOT, figure, keep, parse_arguments, print_figures, surroundings

IMAGES = 12_000


def main() -> None:
    arguments = parse_arguments("ready.py", repeats=5)
    where = surroundings(arguments)
    with tempfile.TemporaryDirectory(prefix="everswin-bench-") as made:
        folder = Path(made)
        spec = make_archives(folder, arguments.seed, IMAGES)
        sizes = {name: one["bytes"] for name, one in spec["archives"].items()}
        print(f"archives: {sizes}")
        samples = measure(folder, spec, arguments.repeats)
    ratios = [slow / fast for slow, fast in zip(samples["unzip"], samples["prepare"], strict=True)]
    synced = [slow / fast for slow, fast in zip(samples["unzip, sync"], samples["prepare, extract"], strict=True)]
    figures = [figure(name, "s", seconds) for name, seconds in samples.items()]
    figures += [
        figure("unzip / prepare", "times", ratios, ">= 8"),
        figure("(unzip, sync) / (prepare, extract)", "times", synced, ">= 1.4"),
    ]
    print_figures(figures)
    keep(arguments.out, {**where, "images": IMAGES, "archives": sizes, "figures": figures, "raw": samples})


def measure(folder: Path, spec: dict[str, Any], repeats: int) -> dict[str, list[float]]:
    """Returns the seconds by contender. Each starts with the archive in the page cache and an idle disk."""
    out = folder / "out"
    contenders: dict[str, Callable[[], None]] = {
        "prepare": lambda: prepare(folder, spec, out),
        "unzip": lambda: unzip(folder, out),
        "prepare, extract": lambda: prepare(folder, {**spec, "extract": True}, out),
        "unzip, sync": lambda: (unzip(folder, out), os.sync())[0],
    }
    samples: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(repeats):
        for name, contender in contenders.items():
            shutil.rmtree(out, ignore_errors=True)
            os.sync()
            warm(folder / "images.zip")
            begin = time.monotonic()
            contender()
            samples[name].append(time.monotonic() - begin)
            print(f"{name}: {samples[name][-1]:.2f} s", flush=True)
    return samples


def prepare(folder: Path, spec: dict[str, Any], out: Path) -> None:
    (folder / "spec.json").write_text(json.dumps(spec))
    command = [sys.executable, "-m", "everswin_trainer", "prepare-dataset", "--spec", str(folder / "spec.json")]
    command += ["--into", str(out), "--out", str(folder / "answer.json")]
    subprocess.run(command, env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "trainer")}, check=True)
    answer = json.loads((folder / "answer.json").read_text())
    assert answer["ok"] and not answer["reused"], answer


def unzip(folder: Path, out: Path) -> None:
    for archive in ("images.zip", "annotations.zip"):
        subprocess.run(["unzip", "-q", str(folder / archive), "-d", str(out)], check=True)


def warm(path: Path) -> None:
    with open(path, "rb", buffering=0) as stream:
        while stream.read(4 << 20):
            pass


if __name__ == "__main__":
    main()
