"""Compares three COCO evaluators by time including loading, memory and agreement, and measures the test analysis.

PYTHONPATH=trainer[:FOLDER] .everswin/tools/trainer-env/bin/python test/bench/evaluation.py --seed 1 --repeats 3

The data are 5,000 images with the sizes and object count of COCO's validation set, 80 classes of very different
frequency and some crowds; objects are polygons of 8 to 50 corners. An image has about 61 detections: several per object
at different distances, some of them of another class, and some false ones. Each measurement runs in a separate process
that loads both files, evaluates and prints the twelve metrics, in random order. Imports are not timed. The trainer's
environment does not contain faster-coco-eval; it is measured if FOLDER has it
(`uv pip install --target FOLDER --no-deps faster-coco-eval==1.8.0`).
"""

import contextlib
import importlib.util
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as mask_codec
from record import figure, keep, parse_arguments, print_figures, surroundings

from everswin_trainer.metrics.coco_scores import AP_NAMES, AR_NAMES, IOU_TYPES, MAX_DETECTIONS

IMAGES, CLASSES, OBJECTS, DETECTIONS = 5_000, 80, 7.35, 61
SIZES = ((640, 480), (480, 640), (640, 427), (500, 375), (640, 640))
EVALUATORS = ("pycocotools", "hotcoco", "faster-coco-eval")
# Production cases: the validation of an epoch from memory, and the analysis of a test.
OURS = ("validation", "analysis")


def main() -> None:
    if sys.argv[1] == "measure":
        print(json.dumps(measure(*sys.argv[2:4], Path(sys.argv[4]))))
        return
    arguments = parse_arguments("evaluation.py", repeats=3)
    where = surroundings(arguments)
    present = [one for one in EVALUATORS if importlib.util.find_spec(one.replace("-", "_"))]
    samples: dict[str, list[dict[str, Any]]] = {}
    with tempfile.TemporaryDirectory(prefix="everswin-bench-") as made:
        counts = make_files(Path(made), arguments.seed)
        print(counts, flush=True)
        order = [(name, kind) for name in present for kind in IOU_TYPES] + [(name, "both") for name in OURS]
        draw = random.Random(arguments.seed)
        for _ in range(arguments.repeats):
            for name, kind in draw.sample(order, len(order)):
                command = [sys.executable, __file__, "measure", name, kind, made]
                answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
                one = json.loads(answer.splitlines()[-1])
                samples.setdefault(f"{name} {kind}", []).append(one)
                print(name, kind, f"{one['seconds']:.2f} s, {one['peakMb']:.0f} MB", flush=True)
    figures = [
        figure(f"{name}: {what}", unit, [one[what] for one in measured])
        for name, measured in samples.items()
        for what, unit in (("seconds", "s"), ("peakMb", "MB"))
    ]
    for kind in IOU_TYPES:
        for name in present[1:]:
            both = zip(samples[f"pycocotools {kind}"], samples[f"{name} {kind}"], strict=True)
            ratios = [theirs["seconds"] / quick["seconds"] for theirs, quick in both]
            figures.append(figure(f"{name} {kind}: times as fast as pycocotools", "times", ratios, ">= 40"))
    agreement = {name: agree(samples, name) for name in present[1:]}
    print_figures(figures)
    print("largest difference of the 24 numbers:", {name: max(one.values()) for name, one in agreement.items()})
    where["versions"] |= {name: metadata.version(name) for name in (*present, "numpy")}
    scores = {kind: samples[f"pycocotools {kind}"][0]["scores"] for kind in IOU_TYPES}
    about = {"counts": counts, "scores": scores, "differences": agreement}
    keep(arguments.out, {**where, **about, "figures": figures, "raw": samples})


def agree(samples: dict[str, list[dict[str, Any]]], name: str) -> dict[str, float]:
    """Returns the difference of each of the 24 metrics from that of pycocotools."""
    differences = {}
    for kind in IOU_TYPES:
        truth = samples[f"pycocotools {kind}"][0]["scores"]
        for number, value in truth.items():
            ours = [one["scores"][number] for one in samples[f"{name} {kind}"]]
            differences[f"{kind} {number}"] = max(abs(one - value) for one in ours)
    return differences


def measure(name: str, kind: str, folder: Path) -> dict[str, Any]:
    """Measures in a separate process. Returns {seconds, peakMb, …}."""
    work = OWN[name](folder) if name in OURS else PROGRAMS[name](folder, kind)
    begin = time.monotonic()
    # pycocotools prints its progress.
    with contextlib.redirect_stdout(sys.stderr):
        said = work()
    seconds = time.monotonic() - begin
    if name not in OURS:
        said = {"scores": dict(zip(AP_NAMES + AR_NAMES, map(float, said), strict=True))}
    return {"seconds": seconds, "peakMb": peak_mb(), **said}


def peak_mb() -> float:
    """Returns the peak memory of this program; getrusage would include memory of the parent at the fork."""
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024


def run_pycocotools(folder: Path, kind: str) -> Callable[[], Any]:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    return lambda: _evaluate(COCO, COCOeval, folder, kind)


def run_faster(folder: Path, kind: str) -> Callable[[], Any]:
    from faster_coco_eval import COCO, COCOeval_faster

    return lambda: _evaluate(COCO, COCOeval_faster, folder, kind)


def run_hotcoco(folder: Path, kind: str) -> Callable[[], Any]:
    import hotcoco

    return lambda: _evaluate(hotcoco.COCO, hotcoco.COCOeval, folder, kind)


def _evaluate(coco: Any, evaluator: Any, folder: Path, kind: str) -> Any:
    truth = coco(str(folder / "annotations.json"))
    evaluation = evaluator(truth, truth.loadRes(str(folder / f"{kind}.json")), kind)
    evaluation.params.maxDets = list(MAX_DETECTIONS)
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return evaluation.stats[: len(AP_NAMES + AR_NAMES)]


PROGRAMS = {"pycocotools": run_pycocotools, "faster-coco-eval": run_faster, "hotcoco": run_hotcoco}


def run_validation(folder: Path) -> Callable[[], dict[str, Any]]:
    """Evaluates as QuickCocoMetric does: detections are in memory, annotations are not."""
    from everswin_trainer.metrics.quick_scores import evaluate_quickly
    from everswin_trainer.metrics.scoring_truth import ScoringTruth

    found, path = load_results(folder), folder / "annotations.json"
    renumbered = ScoringTruth.load(path).renumber(found["bbox"], "bbox")
    rows = np.array([[one["image_id"], *one["bbox"], one["score"], one["category_id"]] for one in renumbered])
    masks = [one["segmentation"] for one in found["segm"]]
    return lambda: {"bothScores": evaluate_quickly(ScoringTruth.load(path), rows, masks)}


def run_analysis(folder: Path) -> Callable[[], dict[str, Any]]:
    """Analyzes as the test does: detections are already loaded, the rest is read from disk; images are noise."""
    from everswin_trainer.analysis.analyze import BOOTSTRAP_FILE, FILE, Subject, analyze

    found, shape = load_results(folder), (480, 640, 3)
    identity = {"checkpointSha256": "0" * 64, "annotationsSha256": "0" * 64}
    noise = np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)
    subject = Subject(identity, folder / "annotations.json", found, lambda _name: noise)

    def work() -> dict[str, Any]:
        analyze(subject, folder, lambda: None)
        drawn = json.loads((folder / FILE).read_bytes())["bootstrap"]
        sizes = {f"{name} bytes": (folder / name).stat().st_size for name in (FILE, BOOTSTRAP_FILE)}
        return {"bootstrap": drawn, **sizes}

    return work


OWN = {"validation": run_validation, "analysis": run_analysis}


def load_results(folder: Path) -> dict[str, list[dict[str, Any]]]:
    return {kind: json.loads((folder / f"{kind}.json").read_bytes()) for kind in IOU_TYPES}


def make_files(folder: Path, seed: int, images: int = IMAGES) -> dict[str, Any]:
    """Writes annotations.json, bbox.json and segm.json in COCO format. Returns a description of them."""
    draw = np.random.default_rng(seed)
    often = 1 / np.arange(1, CLASSES + 1) ** 0.8
    often /= often.sum()
    # Ids have gaps, as in COCO.
    classes = [{"id": 1 + number + number // 9, "name": f"class {number}"} for number in range(CLASSES)]
    content: dict[str, Any] = {"images": [], "annotations": [], "categories": classes}
    found: dict[str, list[dict[str, Any]]] = {kind: [] for kind in IOU_TYPES}
    for number in range(images):
        width, height = SIZES[draw.integers(len(SIZES))]
        image = {"id": 1 + 3 * number, "width": width, "height": height, "file_name": f"{number:012d}.jpg"}
        content["images"].append(image)
        objects = [draw_outline(draw, image, 4.1, 1.0) for _ in range(draw.poisson(OBJECTS))]
        labels = draw.choice(CLASSES, len(objects), p=often).tolist()
        for outline, label in zip(objects, labels, strict=True):
            one = annotate(image, outline, draw.random() < 0.012)
            content["annotations"].append(
                {"id": 1 + len(content["annotations"]), "category_id": classes[label]["id"], **one}
            )
        shapes = _detect(draw, image, objects, labels, often)
        outlines = [np.clip(outline, 0, (width, height)) for outline, _, _ in shapes]
        masks = mask_codec.frPyObjects([one.reshape(-1).tolist() for one in outlines], height, width)
        for outline, (_, label, score), mask in zip(outlines, shapes, masks, strict=True):
            low, high = outline.min(axis=0), outline.max(axis=0)
            box = np.float32([*low, *(high - low)]).astype(float).tolist()
            one = {"image_id": image["id"], "category_id": classes[label]["id"], "score": float(np.float32(score))}
            found["bbox"].append({**one, "bbox": box})
            found["segm"].append({**one, "segmentation": {**mask, "counts": mask["counts"].decode()}})
    (folder / "annotations.json").write_text(json.dumps(content))
    for kind, results in found.items():
        (folder / f"{kind}.json").write_text(json.dumps(results))
    return {
        "images": images,
        "objects": len(content["annotations"]),
        "detections": len(found["bbox"]),
        "maskBytes": sum(len(one["segmentation"]["counts"]) for one in found["segm"]) / len(found["segm"]),
        "fileBytes": {name: (folder / f"{name}.json").stat().st_size for name in ("annotations", *IOU_TYPES)},
    }


def draw_outline(draw: np.random.Generator, image: dict[str, Any], log_side: float, spread: float) -> np.ndarray:
    """Returns the corners of a random blob in the image, as an array of shape (corners, 2)."""
    side, shape = np.exp(draw.normal(log_side, spread)), np.exp(draw.normal(0, 0.4))
    w, h = min(image["width"] - 2, max(4, side * shape)), min(image["height"] - 2, max(4, side / shape))
    corners = int(draw.integers(8, 51))
    angles = np.linspace(0, 2 * np.pi, corners, endpoint=False) + draw.uniform(0, 0.5)
    radii = draw.uniform(0.6, 1, corners)
    x, y = draw.uniform(0, image["width"] - w), draw.uniform(0, image["height"] - h)
    return np.stack([x + w / 2 * (1 + radii * np.cos(angles)), y + h / 2 * (1 + radii * np.sin(angles))], axis=1)


def annotate(image: dict[str, Any], outline: np.ndarray, crowd: bool) -> dict[str, Any]:
    polygon = outline.round(2).reshape(-1).tolist()
    [mask] = mask_codec.frPyObjects([polygon], image["height"], image["width"])
    box, area = mask_codec.toBbox(mask).tolist(), float(mask_codec.area(mask))
    segmentation = {**mask, "counts": mask["counts"].decode()} if crowd else [polygon]
    return {
        "image_id": image["id"],
        "bbox": box,
        "area": area,
        "iscrowd": int(crowd),
        "segmentation": segmentation,
    }


def _detect(
    draw: np.random.Generator, image: dict[str, Any], objects: list[np.ndarray], labels: list[int], often: np.ndarray
) -> list[tuple[np.ndarray, int, float]]:
    """Returns at most 100 tuples (outline, class, score)."""
    shapes = []
    for outline, label in zip(objects, labels, strict=True):
        for _ in range(draw.poisson(3.5)):
            extent = outline.max(axis=0) - outline.min(axis=0)
            moved = outline + draw.normal(0, extent * draw.choice([0.03, 0.08, 0.2, 0.4]), 2)
            said = label if draw.random() < 0.85 else int(draw.integers(CLASSES))
            shapes.append((moved + draw.normal(0, 1.5, outline.shape), said, draw.beta(2, 2)))
    while len(shapes) < DETECTIONS:
        label = int(draw.choice(CLASSES, p=often))
        shapes.append((draw_outline(draw, image, 3.9, 0.9), label, draw.beta(1, 6)))
    return sorted(shapes, key=lambda one: -one[2])[:100]


if __name__ == "__main__":
    main()
