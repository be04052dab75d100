"""Pretrained weights, once: whatever torch or safetensors reads -> one `.safetensors` that training loads as it is.

Held against the recipe's backbone on the way, key by key and shape by shape: MMDetection loads with strict=False, so a
wrong file would be used silently and in part (mmdet/models/backbones/swin.py, SwinTransformer.init_weights).
"""

import argparse
import os
import signal
from functools import cache
from pathlib import Path
from typing import Any

from .apart import cut_off_network, drop_credentials, limit_resources, run_in_child
from .checkpoint import hash_file
from .process_setup import prepare_process
from .root_cause import signal_name
from .whole_file import write_json

# Of these the file is the cause: a library that it led astray, or a limit that it ran into.
FAULTS = {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGXCPU, signal.SIGXFSZ}


def main(argv: list[str]) -> int:
    """Writes the answer to --out (docs/trainer-contract.md); 0 whatever it says."""
    arguments = parse(argv)
    network = cut_off_network()
    drop_credentials()
    prepare_process("cpu")
    return convert_in_child(arguments, network)


def convert_in_child(arguments: argparse.Namespace, network: str) -> int:
    """0 once there is an answer. Raises RuntimeError if somebody killed the child, which says nothing of the file."""
    code = os.waitstatus_to_exitcode(run_in_child(lambda: convert(arguments, network)))
    if code >= 0:
        return code
    if -code not in FAULTS:
        raise RuntimeError(f"the conversion of {arguments.weights} was killed by {signal_name(-code)}")
    answer(arguments, network, refused=f"reading it ended the process with {signal_name(-code)}")
    return 0


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="everswin_trainer convert-weights")
    parser.add_argument("--recipe", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--into", type=Path, required=True, help="`.safetensors` is added")
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args(argv)


def convert(arguments: argparse.Namespace, network: str) -> int:
    backbone, expected = prepare(arguments.recipe)
    from .weights import Refused, compare, read_backbone, store

    limit_resources(arguments.weights.stat().st_size)
    try:
        given = read_backbone(arguments.weights, backbone)
    except Refused as error:
        answer(arguments, network, refused=str(error))
        return 0
    comparison = compare(given, expected)
    result = store(given, expected, arguments.into) if comparison.fits else None
    answer(arguments, network, result=result, **vars(comparison))
    return 0


@cache
def prepare(recipe: Path) -> tuple[Any, dict[str, Any]]:
    """The recipe's backbone and its tensors; once for all children of one process."""
    # Only now: what is imported here starts threads, and those would keep their network.
    from .recipe import load_recipe
    from .weights import expected_tensors

    backbone = load_recipe(recipe, None).model.backbone
    return backbone, expected_tensors(backbone)


def answer(arguments: argparse.Namespace, network: str, refused: str | None = None, **found: Any) -> None:
    nothing = {"result": None, "parameters": 0, "missing": [], "unexpected": [], "misshapen": []}
    path = arguments.weights
    write_json(
        arguments.out,
        {
            "v": 1,
            "ok": found.get("result") is not None,
            **({"refused": refused} if refused else {}),
            "source": {"sha256": hash_file(path), "bytes": path.stat().st_size},
            **nothing,
            **found,
            "network": network,
        },
    )
