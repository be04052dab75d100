"""Exports a detector as ONNX, and compares it with MMDetection (docs/reference/trainer-contract.md)."""

import argparse
import json
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from everswin_trainer.detector.find_images import find_images
from everswin_trainer.detector.predict import (
    WEIGHTS,
    Unusable,
    end_on_stop_signals,
    load,
    read,
    require_intact,
    show_stage,
)
from everswin_trainer.system.atomic_file import read_json, write_json
from everswin_trainer.system.hashing import hash_file

if TYPE_CHECKING:
    import numpy

    from everswin_trainer.detector.loaded_detector import LoadedDetector
    from everswin_trainer.detector.onnx_check import Differences
    from everswin_trainer.detector.onnx_input import OnnxInput, Size

TOLERANCE = 1e-3
PICTURES = 10
# With RoiAlign as MMDetection aligns it.
OPSET = 18


def main(argv: list[str]) -> int:
    """Writes the file `--into`. Returns 0 also if the answer is that the detector cannot be exported."""
    arguments = parse(argv)
    end_on_stop_signals()
    try:
        answer = {"ok": True, **export_onnx(arguments)}
    except Unusable as error:
        answer = {"ok": False, "problem": str(error)}
    write_json(arguments.out, {"v": 1, **answer})
    return 0


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="everswin_trainer export-onnx")
    parser.add_argument("--detector", type=Path, required=True, help="folder with config.py and model.pth")
    parser.add_argument("--into", type=Path, required=True, help="the ONNX file")
    parser.add_argument("--size", help="WIDTHxHEIGHT of the input")
    parser.add_argument("--data", type=Path, help="prepared data set, whose validation images are compared")
    parser.add_argument("--images", help="file, folder, pattern or archive, whose images are compared")
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args(argv)


def export_onnx(arguments: argparse.Namespace) -> dict[str, Any]:
    """Returns the answer. Raises Unusable, also if onnxruntime and MMDetection differ by more than TOLERANCE."""
    begin = time.monotonic()
    named = None if arguments.images is None else list(read_named(arguments.images))
    require_intact(arguments.detector)
    detector = load(arguments.detector, "cpu")
    from everswin_trainer.detector.onnx_input import OnnxInput, Size

    size = None if arguments.size is None else Size.parse(arguments.size)
    require_exportable(detector, arguments.detector)
    try:
        given = OnnxInput.of(detector.pipeline, detector.model.data_preprocessor, size)
    except ValueError as error:
        raise Unusable(f"{arguments.detector} cannot be exported: {error}.") from error
    show_stage("exporting")
    write_graph(detector, given, hash_file(arguments.detector / WEIGHTS), arguments.into)
    kind, pictures = ("named", named) if named else choose_pictures(arguments.data, given.fit)
    differences = compare(detector, given, arguments.into, pictures)
    require_equal(differences)
    return {
        "input": vars(given.size),
        "fit": vars(given.fit),
        "bytes": arguments.into.stat().st_size,
        "pictures": kind,
        "images": differences.images,
        "detections": differences.detections,
        "largest": differences.largest,
        "seconds": time.monotonic() - begin,
    }


def require_exportable(detector: "LoadedDetector", folder: Path) -> None:
    from everswin_trainer.detector.onnx_graph import explain_unsupported

    reason = explain_unsupported(detector.model)
    if reason is not None:
        raise Unusable(f"{folder} cannot be exported to ONNX: {reason}. `everswin predict` can use it.")


def write_graph(detector: "LoadedDetector", given: "OnnxInput", weights_sha256: str, into: Path) -> None:
    """Writes the graph with metadata that describes its inputs and outputs. Raises Unusable."""
    import numpy
    import onnx
    import torch

    from everswin_trainer.detector.onnx_graph import INPUTS, OUTPUTS, OnnxGraph

    graph = OnnxGraph(detector.model).eval()
    # A picture of noise, so that the trace sees proposals and detections.
    noise = numpy.random.default_rng(0).integers(0, 256, (given.fit.height, given.fit.width, 3), numpy.uint8)
    image, shape = given.prepare(noise)
    example = (torch.from_numpy(image), torch.tensor(shape, dtype=torch.float32))
    names = {"input_names": list(INPUTS), "output_names": list(OUTPUTS)}
    dynamic = {name: {0: "detections"} for name in OUTPUTS}
    with torch.no_grad(), warnings.catch_warnings():
        # The exporter warns of each value that the trace fixes; the comparison below checks all of them.
        warnings.simplefilter("ignore")
        try:
            torch.onnx.export(
                graph, example, str(into), dynamo=False, opset_version=OPSET, dynamic_axes=dynamic, **names
            )
        except Exception as error:
            raise Unusable(
                f"torch cannot export {WEIGHTS}: {type(error).__name__}: {error}. `everswin predict` can use it."
            ) from error
    model = onnx.load(str(into))
    onnx.helper.set_model_props(
        model, describe(detector, given) | {"weights_sha256": weights_sha256, "inputs": json.dumps(INPUTS)}
    )
    onnx.checker.check_model(model)
    onnx.save(model, str(into))


def describe(detector: "LoadedDetector", given: "OnnxInput") -> dict[str, str]:
    """Returns what a program needs to prepare pictures and to read detections; lists and objects are JSON."""
    from everswin_trainer.detector.onnx_graph import OUTPUTS

    return {
        "classes": json.dumps(detector.classes),
        "category_ids": json.dumps(detector.category_ids),
        "input_size": str(given.size),
        "resize_to_fit": f"{given.fit}, ratio kept, bilinear",
        "channels": "RGB" if given.is_rgb else "BGR",
        "mean": json.dumps(given.mean),
        "std": json.dumps(given.std),
        "outputs": json.dumps(OUTPUTS),
    }


def read_named(source: str) -> Iterator["numpy.ndarray"]:
    """Yields the first images that a user names. Raises Unusable if there is none, or if one cannot be read."""
    images, problems = find_images([source])
    if not images:
        raise Unusable("No image found:\n" + "\n".join(f"- {one} {reason}." for one, reason in problems))
    for found in images[:PICTURES]:
        try:
            yield read(found)
        except (OSError, Unusable) as error:
            raise Unusable(f"{found.name} {error}. Name other images with --images.") from error


def choose_pictures(data: Path | None, fit: "Size") -> tuple[str, list["numpy.ndarray"]]:
    """Returns validation images if they are still here, else random pictures."""
    if data is not None and read_json(data / "dataset.json") is not None:
        try:
            return "validation", list(read_validation(data))
        except (OSError, ValueError, KeyError):
            # Archives of an old run may have been moved or pruned.
            pass
    return "random", list(random_pictures(fit))


def read_validation(data: Path) -> Iterator["numpy.ndarray"]:
    """Yields validation images that are evenly spread in the annotations, preferably with objects."""
    from mmcv.transforms import LoadImageFromFile

    from everswin_trainer.data import zip_images  # noqa: F401  (registers the backend of archives)
    from everswin_trainer.data.dataset import PreparedData

    prepared = PreparedData.at(data)
    truth = json.loads(prepared.annotations("val").read_bytes())
    used = {one["image_id"] for one in truth["annotations"]}
    images = [one for one in truth["images"] if one["id"] in used] or truth["images"]
    load_image = LoadImageFromFile(backend_args=prepared.image_backend("val"))
    count = min(PICTURES, len(images))
    for number in range(count):
        name = images[number * len(images) // count]["file_name"]
        yield load_image({"img_path": f"{prepared.image_prefix('val')}{name}"})["img"]


def random_pictures(fit: "Size") -> Iterator["numpy.ndarray"]:
    """Yields noise with rectangles, of several sizes and ratios."""
    import numpy

    random = numpy.random.default_rng(0)
    for _ in range(PICTURES):
        height, width = (int(side * random.uniform(0.5, 1)) for side in (fit.height, fit.width))
        picture = random.integers(0, 64, (height, width, 3), numpy.uint8)
        for _ in range(8):
            top, left = int(random.integers(height)), int(random.integers(width))
            bottom, right = top + int(height * random.uniform(0.1, 0.5)), left + int(width * random.uniform(0.1, 0.5))
            picture[top:bottom, left:right] += random.integers(0, 192, 3, numpy.uint8)
        yield picture


def compare(
    detector: "LoadedDetector", given: "OnnxInput", path: Path, pictures: list["numpy.ndarray"]
) -> "Differences":
    import onnxruntime

    from everswin_trainer.detector.onnx_check import (
        Differences,
        lowest_score,
        predict_with_mmdetection,
        predict_with_onnx,
    )

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    differences = Differences()
    for number, picture in enumerate(pictures):
        show_stage("comparing with MMDetection", number, len(pictures))
        expected = predict_with_mmdetection(detector.model, given, picture)
        actual = predict_with_onnx(session, given, picture)
        differences.add(expected, actual, lowest_score(detector.model, expected))
    return differences


def require_equal(differences: "Differences") -> None:
    """Raises Unusable if any difference is above TOLERANCE, or not a number."""
    if all(difference <= TOLERANCE for difference in differences.largest.values()):
        return
    listed = ", ".join(f"{difference:.1e} in {name}" for name, difference in differences.largest.items())
    raise Unusable(
        f"onnxruntime and MMDetection differ on {differences.images} images: {listed}. At most {TOLERANCE:g} is "
        "allowed, so no file was written. Try another --size or other --images, or use `everswin predict`."
    )
