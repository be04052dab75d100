"""Predicts images with a detector's folder: COCO results and pictures (docs/reference/trainer-contract.md)."""

import argparse
import json
import os
import signal
import time
from collections import Counter
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from everswin_trainer.analysis.safe_text import safe_text
from everswin_trainer.data.file_kind import name_kind
from everswin_trainer.data.image_header import START_OF_JPEG, has_end_of_jpeg
from everswin_trainer.data.stage_progress import StageProgress
from everswin_trainer.detector.find_images import FoundImage, find_images
from everswin_trainer.gpu import wait
from everswin_trainer.gpu.devices import GpusUnknown
from everswin_trainer.job.folder import Attempt, Job
from everswin_trainer.system.atomic_file import write_atomic, write_json
from everswin_trainer.system.hashing import hash_file
from everswin_trainer.system.process_setup import prepare_process

if TYPE_CHECKING:
    import numpy

    from everswin_trainer.detector.loaded_detector import Detection, LoadedDetector

CONFIG, WEIGHTS, SUMS = "config.py", "model.pth", "SHA256SUMS"
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LONGEST_NAME = 240


class Unusable(Exception):
    """Raised when nothing can be predicted; the message is for the user."""


def main(argv: list[str]) -> int:
    """Writes images.json, results.json and pictures/ into `--into`. Returns 0 also if some images were skipped."""
    arguments = parse(argv)
    end_on_stop_signals()
    try:
        answer = predict(arguments, json.loads(arguments.images.read_bytes()))
    except (Unusable, wait.NotEnoughGpus, GpusUnknown) as error:
        answer = {"ok": False, "problem": str(error)}
    write_json(arguments.out, {"v": 1, **answer})
    return 0


def end_on_stop_signals() -> None:
    """Lets signals end this process at once. The process that started it removes unfinished files."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_DFL)


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="everswin_trainer predict")
    parser.add_argument("--detector", type=Path, required=True, help="folder with config.py and model.pth")
    parser.add_argument("--images", type=Path, required=True, help="JSON list of files, folders, patterns, archives")
    parser.add_argument("--score", type=float, default=0.3, help="lowest score of a detection")
    parser.add_argument("--into", type=Path, required=True, help="empty folder for the results")
    parser.add_argument("--job-dir", type=Path, help="folder that names this process to others that wait for the GPU")
    parser.add_argument("--out", type=Path, required=True)
    wait.add_arguments(parser)
    return parser.parse_args(argv)


def predict(arguments: argparse.Namespace, sources: list[str]) -> dict[str, Any]:
    """Returns the answer. Raises Unusable."""
    images, problems = find_images(sources)
    skipped = [{"file": as_text(source), "reason": reason} for source, reason in problems]
    if not images:
        raise Unusable(f"No image found:\n{as_list(skipped)}")
    require_intact(arguments.detector)
    lease_gpu(arguments)
    prepare_process(arguments.device)
    detector = load(arguments.detector, arguments.device)
    answer = predict_all(detector, images, arguments, skipped)
    if not answer["images"]:
        raise Unusable(f"No image can be predicted:\n{as_list(answer['skipped'])}")
    return {"ok": True, **answer}


def require_intact(folder: Path) -> None:
    """Raises Unusable if a file is missing, or differs from SHA256SUMS where the folder has one."""
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise Unusable(f"{folder} is not a detector: it has no {name}.")
    if not (folder / SUMS).is_file():
        return
    for line in (folder / SUMS).read_text().splitlines():
        expected, _, name = line.partition("  ")
        if name in (CONFIG, WEIGHTS) and hash_file(folder / name) != expected:
            raise Unusable(f"{folder / name} is damaged or was changed: its sha256 is not that of {SUMS}.")


def lease_gpu(arguments: argparse.Namespace) -> None:
    """Waits for a free GPU and makes it the only visible one. The lease ends with this process."""
    request = wait.GpuRequest.from_arguments(arguments)
    if request is None or arguments.device == "cpu":
        return
    show_stage("waiting for a GPU")
    lease = wait.wait_for_gpus(Job.at(arguments.job_dir), Attempt(1, 1), request, set())
    os.environ.update(lease.environment())


def show_stage(stage: str, done: int = 0, total: int = 0) -> None:
    """Prints a line of progress; `total` is 0 for a stage of unknown length."""
    print(json.dumps({"stage": stage, "done": done, "total": total}), flush=True)


def load(folder: Path, device: str) -> "LoadedDetector":
    """Raises Unusable if MMDetection cannot load the folder."""
    show_stage("loading the detector")
    # Imported here: MMDetection takes seconds to import.
    from everswin_trainer.detector.loaded_detector import LoadedDetector

    try:
        return LoadedDetector(folder / CONFIG, folder / WEIGHTS, "cuda:0" if device == "cuda" else "cpu")
    except Exception as error:
        raise Unusable(f"MMDetection cannot load {folder}: {type(error).__name__}: {error}") from error


def predict_all(
    detector: "LoadedDetector", images: list[FoundImage], arguments: argparse.Namespace, skipped: list[dict[str, str]]
) -> dict[str, Any]:
    from everswin_trainer.detector.label_font import choose_font

    begin = time.monotonic()
    font = choose_font(detector.classes)
    show_stage("predicting", total=len(images))
    progress = StageProgress("predicting", len(images))
    records, results, shown = [], [], []
    for found in images:
        name = as_text(found.name)
        try:
            image = read(found)
            detections = [one for one in detector.detect(image) if one.score >= arguments.score]
            picture = draw(detector, image, detections, font)
        except Exception as error:
            skipped.append({"file": name, "reason": reason(error)})
            progress.more(1)
            continue
        height, width = image.shape[:2]
        number = len(records) + 1
        records.append({"id": number, "file_name": name, "width": width, "height": height})
        results += [as_result(number, one, detector.category_ids) for one in detections]
        path = picture_path(name, {one["picture"] for one in shown})
        (arguments.into / path).parent.mkdir(parents=True, exist_ok=True)
        with write_atomic(arguments.into / path) as stream:
            stream.write(picture)
        counts = Counter(safe_text(detector.classes[one.label]) for one in detections)
        shown.append({"file": name, "picture": path, "width": width, "height": height, "found": dict(counts)})
        progress.more(1)
    categories = [
        {"id": number, "name": as_text(name)}
        for number, name in zip(detector.category_ids, detector.classes, strict=True)
    ]
    write_json(arguments.into / "images.json", {"images": records, "annotations": [], "categories": categories})
    write_json(arguments.into / "results.json", results, indent=None)
    return {
        "images": shown,
        "detections": len(results),
        "skipped": skipped,
        "seconds": time.monotonic() - begin,
    }


def read(found: FoundImage) -> "numpy.ndarray":
    """Returns the image as MMDetection's LoadImageFromFile does: BGR, turned as its EXIF tag says. Raises Unusable."""
    import cv2
    import numpy

    content = found.read()
    if not content:
        raise Unusable("is empty")
    if content.startswith(START_OF_JPEG) and not has_end_of_jpeg(content):
        raise Unusable("is truncated")
    image = cv2.imdecode(numpy.frombuffer(content, numpy.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise Unusable(f"is {name_kind(content) or 'not an image that OpenCV can read'}")
    return image


def draw(detector: "LoadedDetector", image: "numpy.ndarray", detections: "list[Detection]", font: Path) -> bytes:
    from everswin_trainer.analysis.drawing import Drawn
    from everswin_trainer.detector.picture import Labeled, draw_predictions, label_of

    labeled = [
        Labeled(
            Drawn(one.label, one.box, one.mask),
            label_of(detector.classes[one.label], detector.category_ids[one.label], one.score, font),
        )
        for one in detections
    ]
    return draw_predictions(image, labeled, font)


def as_result(image: int, one: "Detection", category_ids: list[int]) -> dict[str, Any]:
    """Returns a detection in the form of COCO's results."""
    result = {"image_id": image, "category_id": category_ids[one.label], "bbox": one.box, "score": one.score}
    return result if one.mask is None else {**result, "segmentation": one.mask}


def picture_path(name: str, used: set[str]) -> str:
    """Returns a path below the folder of the results. Names in archives may point elsewhere."""
    parts = [part for part in PurePosixPath(name.replace("\\", "/")).parts if part not in ("/", ".", "..")]
    base = "/".join(part.encode()[-LONGEST_NAME:].decode(errors="ignore") for part in parts)
    path = PurePosixPath("pictures", base)
    if path.suffix.lower() not in (".jpg", ".jpeg"):
        path = path.with_name(f"{path.name}.jpg")
    number, unique = 2, path
    while str(unique) in used:
        unique = path.with_name(f"{path.stem}-{number}{path.suffix}")
        number += 1
    return str(unique)


def as_list(skipped: list[dict[str, str]]) -> str:
    """Returns one line for each file, with its reason."""
    return "\n".join(f"- {one['file']} {one['reason']}." for one in skipped)


def as_text(name: str) -> str:
    """Returns a name that JSON can hold: file names may hold any bytes."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def reason(error: Exception) -> str:
    """Returns one sentence without a final dot."""
    if isinstance(error, Unusable):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"cannot be read: {error.strerror}"
    text = " ".join(str(error).split())[:200]
    return f"cannot be predicted: {type(error).__name__}: {text}"
