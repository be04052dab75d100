"""Measures time and memory over the size of a data set: check, start, order of an epoch, progress, analysis of a test.

    PYTHONPATH=trainer .everswin/tools/trainer-env/bin/python test/bench/dataset_size.py --seed 1 --plot FILE.svg

Objects are those of evaluation.py: 7.35 per image, polygons of 8 to 50 corners, 80 classes. Images have COCO's sizes in
pixels, but about 8 kB: 500,000 of them would not fit the disk otherwise. A 24th as many images are for validation. Each
size is made, measured and deleted in turn.
"""
# cspell:ignore figsize fonttype frameon hashsalt loglog minorticks xlabel xticks ylabel

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from coco_size import Job, measure_preparation
from evaluation import CLASSES, OBJECTS, SIZES, annotate, draw_outline, make_files
from image_sizes import INNER, Sized, sampler
from long_progress import Writer
from mmdet.utils import register_all_modules
from own_data import describe_archives
from record import ROOT, figure, keep, make_parser, print_figures, rounded, surroundings

from everswin_trainer.training.batches import ResumableBatchSampler

VALIDATION_SHARE = 24
DISTINCT_IMAGES, DISTINCT_OBJECTS = 200, 400
GPUS, BATCH, EPOCHS, LOG_EVERY_STEPS = 4, 2, 36, 50
# Lines of the plot: name of the figure, label.
PLOTTED = {
    "prepare-dataset, wall time": "check",
    "start: until started": "start",
    "order of an epoch": "order of an epoch",
    "progress: read from the start": "progress of a run",
    "analysis of a test": "analysis of a test",
}


def main() -> None:
    parser = make_parser("dataset_size.py", repeats=3)
    parser.add_argument("--images", type=int, nargs="+", default=[1_000, 10_000, 118_000, 500_000])
    parser.add_argument("--plot", type=Path)
    arguments = parser.parse_args()
    record = surroundings(arguments)
    register_all_modules()
    sizes = []
    for images in arguments.images:
        with tempfile.TemporaryDirectory(prefix="everswin-size-") as folder:
            figures = measure(Path(folder), images, arguments.seed, arguments.repeats)
        sizes.append({"images": images, "load": os.getloadavg()[0], "figures": figures})
        print(f"{images} images")
        print_figures(figures)
    keep(arguments.out, {**record, "sizes": sizes})
    if arguments.plot:
        plot(sizes, arguments.plot)


def measure(folder: Path, images: int, seed: int, repeats: int) -> list[dict[str, Any]]:
    spec = make_dataset(folder, images, seed)
    ready = folder / "ready"
    prepared = measure_preparation(spec, ready)
    return [
        *prepared["figures"],
        *measure_starts(folder, ready, seed, repeats),
        figure("order of an epoch", "s", [time_order(images, seed, epoch) for epoch in range(repeats)]),
        *measure_progress(folder / "progress.jsonl", images, repeats),
        *measure_analysis(folder / "test", images // VALIDATION_SHARE, seed),
    ]


def measure_starts(folder: Path, ready: Path, seed: int, repeats: int) -> list[dict[str, Any]]:
    """Starts supervisor, torchrun and one rank with the model of the demo."""
    job = Job(folder, argparse.Namespace(recipe="demo", folder=ready, seed=seed, workers=2))
    starts = []
    for _ in range(repeats):
        job.clear()
        starts.append(job.measure("fresh"))
        print(json.dumps(rounded(starts[-1])), flush=True)
    return [
        figure("start: until started", "s", [one["seconds"]["started"] for one in starts]),
        figure("start: CPU time", "s", [one["cpuSeconds"] for one in starts]),
        figure("start: rank resident", "MiB", [one["memory"]["rank"]["rss"] for one in starts]),
        figure("start: rank private", "MiB", [one["memory"]["rank"]["privateDirty"] for one in starts]),
    ]


def time_order(images: int, seed: int, epoch: int) -> float:
    """Measures all batches of an epoch of one rank, as resuming at its end requires, without reading an image."""
    draw = np.random.default_rng(seed)
    dataset = Sized(np.array(SIZES)[draw.integers(len(SIZES), size=images)], [])
    inner = INNER["AspectRatioBatchSampler"]
    batches = ResumableBatchSampler(sampler(dataset, 0, GPUS, seed, epoch), BATCH, inner)
    begin = time.perf_counter()
    for _ in batches:
        pass
    return time.perf_counter() - begin


def measure_progress(path: Path, images: int, repeats: int) -> list[dict[str, Any]]:
    """Reads the complete progress of a training, as a page, `status` or a worker does at first."""
    Writer(path, EPOCHS, images // (GPUS * BATCH), LOG_EVERY_STEPS).write_training()
    reads = []
    for _ in range(repeats):
        answer = subprocess.run(
            ["node", str(ROOT / "test/bench/read-progress.ts"), str(path)], check=True, stdout=subprocess.PIPE
        )
        reads.append(json.loads(answer.stdout))
    return [
        figure("progress: size of the file", "MB", [path.stat().st_size / 1e6]),
        figure("progress: read from the start", "s", [one["seconds"] for one in reads]),
        figure("progress: read again after an event", "s", [one["againSeconds"] for one in reads]),
    ]


def measure_analysis(folder: Path, images: int, seed: int) -> list[dict[str, Any]]:
    """Analyzes the detections of a test: all figures of the report."""
    folder.mkdir()
    make_files(folder, seed, images)
    command = [sys.executable, str(ROOT / "test/bench/evaluation.py"), "measure", "analysis", "both", str(folder)]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    one = json.loads(answer.splitlines()[-1])
    return [
        figure("analysis of a test", "s", [one["seconds"]]),
        figure("analysis of a test: peak memory", "MB", [one["peakMb"]]),
    ]


def make_dataset(folder: Path, images: int, seed: int) -> dict[str, Any]:
    """Writes images.zip, train.json and val.json. Returns the spec of `prepare-dataset`."""
    draw = np.random.default_rng(seed)
    pictures = [draw_picture(draw, *SIZES[number % len(SIZES)]) for number in range(DISTINCT_IMAGES)]
    objects = {size: draw_objects(draw, *size) for size in SIZES}
    splits = {"train": range(images), "val": range(images, images + max(2, images // VALIDATION_SHARE))}
    with zipfile.ZipFile(folder / "images.zip", "w", zipfile.ZIP_STORED) as archive:
        for split, numbers in splits.items():
            for number in numbers:
                archive.writestr(f"{split}/{number:012d}.jpg", unique(pictures[number % DISTINCT_IMAGES], number))
            write_annotations(folder / f"{split}.json", draw, numbers, objects)
    return {
        "v": 1,
        "contentKey": "c" * 64,
        "archives": describe_archives(folder, ("images.zip", "train.json", "val.json")),
        "splits": {
            split: {"images": f"images.zip/{split}", "annotations": f"{split}.json", "counts": None} for split in splits
        },
        "classes": CLASSES,
        "extract": False,
    }


def draw_picture(draw: np.random.Generator, width: int, height: int) -> bytes:
    coarse = draw.integers(0, 255, (6, 8, 3), np.uint8)
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    done, jpeg = cv2.imencode(".jpg", smooth, [cv2.IMWRITE_JPEG_QUALITY, 60])
    assert done
    return jpeg.tobytes()


def unique(jpeg: bytes, number: int) -> bytes:
    """Adds a JPEG comment, so that no two images have the same bytes."""
    comment = f"{number:09d}".encode()
    return jpeg[:2] + b"\xff\xfe" + (2 + len(comment)).to_bytes(2, "big") + comment + jpeg[2:]


def draw_objects(draw: np.random.Generator, width: int, height: int) -> list[str]:
    """Returns annotations as JSON without their first three fields."""
    image = {"id": 0, "width": width, "height": height}
    drawn = [annotate(image, draw_outline(draw, image, 4.1, 1.0), crowd=False) for _ in range(DISTINCT_OBJECTS)]
    for one in drawn:
        del one["image_id"]
    return [json.dumps(one)[1:] for one in drawn]


def write_annotations(path: Path, draw: np.random.Generator, numbers: range, objects: dict[Any, list[str]]) -> None:
    counts = 1 + draw.poisson(OBJECTS - 1, len(numbers))
    with open(path, "w") as stream:
        stream.write('{"images": [')
        records = (
            f'{{"id": {number}, "file_name": "{number:012d}.jpg", "width": {width}, "height": {height}}}'
            for number in numbers
            for width, height in [size_of(number)]
        )
        stream.write(",\n".join(records))
        stream.write('], "annotations": [\n')
        key = 0
        for number, count in zip(numbers, counts.tolist(), strict=True):
            known = objects[size_of(number)]
            for choice, label in zip(
                draw.integers(len(known), size=count).tolist(), draw.integers(CLASSES, size=count).tolist(), strict=True
            ):
                key += 1
                begin = "" if key == 1 else ",\n"
                stream.write(f'{begin}{{"id": {key}, "image_id": {number}, "category_id": {label + 1}, {known[choice]}')
        categories = [{"id": label + 1, "name": f"class {label}"} for label in range(CLASSES)]
        stream.write(f'], "categories": {json.dumps(categories)}}}')


def size_of(number: int) -> tuple[int, int]:
    return SIZES[number % DISTINCT_IMAGES % len(SIZES)]


def plot(sizes: list[dict[str, Any]], path: Path) -> None:
    """Draws medians over the number of images, both on a logarithmic axis."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.hashsalt": "everswin", "svg.fonttype": "none", "font.family": "sans-serif"})
    from matplotlib import pyplot

    drawing, axes = pyplot.subplots(figsize=(7.2, 4.2), layout="constrained")
    images = [one["images"] for one in sizes]
    for name, label in PLOTTED.items():
        medians = [next(found["p50"] for found in one["figures"] if found["name"] == name) for one in sizes]
        axes.loglog(images, medians, marker="o", label=label)
    axes.set(xlabel="training images", ylabel="seconds")
    axes.set_xticks(images, [f"{one:,}" for one in images], minor=False)
    axes.minorticks_off()
    axes.grid(True, alpha=0.3)
    axes.legend(frameon=False)
    drawing.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    main()
