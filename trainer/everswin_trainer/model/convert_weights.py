"""Converts pretrained weights that torch or safetensors can read to one `.safetensors` file that training loads.

Compares every key and shape with the recipe's backbone or whole model. MMDetection loads with strict=False, so it
would silently load part of a wrong file (mmdet/models/backbones/swin.py, SwinTransformer.init_weights).
"""

import argparse
import os
import signal
from functools import cache
from pathlib import Path
from typing import Any

from everswin_trainer.job.root_cause import signal_name
from everswin_trainer.system.atomic_file import write_json
from everswin_trainer.system.hashing import hash_file
from everswin_trainer.system.process_setup import prepare_process
from everswin_trainer.system.sandbox import drop_credentials, isolate_network, limit_resources, run_in_child

PARTS = ("backbone", "detector")

# The file causes these signals: it crashes a library or exceeds a resource limit.
FILE_FAULT_SIGNALS = {
    signal.SIGSEGV,
    signal.SIGABRT,
    signal.SIGBUS,
    signal.SIGILL,
    signal.SIGFPE,
    signal.SIGXCPU,
    signal.SIGXFSZ,
}


def main(argv: list[str]) -> int:
    """Writes the answer to --out (docs/reference/trainer-contract.md). Returns 0 also for a refused file."""
    arguments = parse(argv)
    network = isolate_network()
    drop_credentials()
    prepare_process("cpu")
    return convert_in_child(arguments, network)


def convert_in_child(arguments: argparse.Namespace, network: str) -> int:
    """Returns 0 once the answer is written. Raises RuntimeError if another process killed the child."""
    code = os.waitstatus_to_exitcode(run_in_child(lambda: convert(arguments, network)))
    if code >= 0:
        return code
    if -code not in FILE_FAULT_SIGNALS:
        raise RuntimeError(f"the conversion of {arguments.weights} was killed by {signal_name(-code)}")
    answer(arguments, network, rejected=f"reading it ended the process with {signal_name(-code)}")
    return 0


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="everswin_trainer convert-weights")
    parser.add_argument("--recipe", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--part", choices=PARTS, default="backbone", help="part of the model that the file contains")
    parser.add_argument("--into", type=Path, required=True, help="output path without the suffix .safetensors")
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args(argv)


def convert(arguments: argparse.Namespace, network: str) -> int:
    model, expected = prepare(arguments.recipe, arguments.part)
    from everswin_trainer.model.weights import Refused

    limit_resources(arguments.weights.stat().st_size)
    into = convert_backbone if arguments.part == "backbone" else convert_detector
    try:
        fields = into(arguments, model, expected)
    except Refused as error:
        answer(arguments, network, rejected=str(error))
        return 0
    answer(arguments, network, **fields)
    return 0


def convert_backbone(arguments: argparse.Namespace, model: Any, expected: dict[str, Any]) -> dict[str, Any]:
    """Returns fields of the answer. Raises weights.Refused."""
    from everswin_trainer.model.weights import compare, read_backbone, store

    tensors = read_backbone(arguments.weights, model.backbone)
    comparison = compare(tensors, expected)
    return {"result": store(tensors, expected, arguments.into) if comparison.fits else None, **vars(comparison)}


def convert_detector(arguments: argparse.Namespace, model: Any, expected: dict[str, Any]) -> dict[str, Any]:
    """Returns fields of the answer. Raises weights.Refused."""
    from everswin_trainer.model.detector_weights import (
        add_derived,
        class_count,
        class_names,
        detector_tensors,
        expected_detector,
    )
    from everswin_trainer.model.weights import compare, load_content, store

    content = load_content(arguments.weights)
    tensors = detector_tensors(content, arguments.weights, model)
    classes, names = class_count(tensors), class_names(content)
    # A list of another length describes another model.
    names = names if names and len(names) == classes else None
    # Accepts the file's own number of classes; training compares it with the data.
    if classes is not None and classes != class_count(expected):
        expected = expected_detector(model, classes)
    tensors = add_derived(tensors, expected)
    comparison = compare(tensors, expected)
    result = store(tensors, expected, arguments.into, prefix="") if comparison.fits else None
    return {"classes": classes, "classNames": names, "result": result, **vars(comparison)}


@cache
def prepare(recipe: Path, part: str) -> tuple[Any, dict[str, Any]]:
    """Returns the recipe's model and the tensors of one part; cached for all children of a process."""
    # Imported after the network is isolated: these modules start threads, which would keep network access.
    from everswin_trainer.model.recipe import load_recipe

    model = load_recipe(recipe, None).model
    if part == "backbone":
        from everswin_trainer.model.weights import expected_tensors

        return model, expected_tensors(model.backbone)
    from everswin_trainer.model.detector_weights import expected_detector

    return model, expected_detector(model, None)


def answer(arguments: argparse.Namespace, network: str, rejected: str | None = None, **fields: Any) -> None:
    defaults = {"result": None, "parameters": 0, "missing": [], "unexpected": [], "mismatched": []}
    path = arguments.weights
    write_json(
        arguments.out,
        {
            "v": 1,
            "ok": fields.get("result") is not None,
            "part": arguments.part,
            **({"rejected": rejected} if rejected else {}),
            "source": {"sha256": hash_file(path), "bytes": path.stat().st_size},
            **defaults,
            **fields,
            "network": network,
        },
    )
