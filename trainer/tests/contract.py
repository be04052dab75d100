"""Validates JSON by the schemas of trainer/contract, which are generated from configs/schema (`npm run contract`)."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

CONTRACT = Path(__file__).parents[1] / "contract"
# Files of a job by name; each is written atomically, so it is always complete.
FILES = {
    "plan.json": "plan",
    "control.json": "control",
    "owner.json": "owner",
    "waiting.json": "waiting",
    "exit.json": "exit",
    "metrics.json": "metrics",
    "analysis.json": "analysis",
    "bootstrap.json": "bootstrap",
}


@cache
def schema(name: str) -> dict[str, Any]:
    return json.loads((CONTRACT / f"{name}.schema.json").read_bytes())


@cache
def _validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(schema(name))


def check(name: str, content: Any) -> None:
    """Raises AssertionError listing every difference between `content` and the schema `name`."""
    problems = [f"{error.json_path}: {_explain(error)}" for error in _validator(name).iter_errors(content)]
    assert not problems, f"{name} differs from trainer/contract: " + "; ".join(problems)


def check_answer(name: str, path: Path) -> dict[str, Any]:
    """Returns the answer of a command after validating it."""
    answer = json.loads(path.read_bytes())
    check(name, answer)
    return answer


def check_files(root: Path) -> None:
    """Validates every file of a job below `root`: JSON files by name, manifests of checkpoints, progress events."""
    for path in root.rglob("*.json"):
        if path.parent.name == "checkpoints" and path.with_suffix(".pth").exists():
            check_answer("checkpoint", path)
        elif path.name in FILES:
            check_answer(FILES[path.name], path)
    for path in root.rglob("progress.jsonl"):
        # Not read_events, which skips an event that violates the contract. The last line may be incomplete.
        for line in path.read_bytes().split(b"\n")[:-1]:
            check("progress-event", json.loads(line))


def _explain(error: Any) -> str:
    """Returns the message of an error; for a union, the messages of the kind that comes closest."""
    kinds: dict[int, list[Any]] = {}
    for inner in error.context or []:
        kinds.setdefault(inner.schema_path[0], []).append(inner)
    if not kinds:
        return error.message[:300]
    closest = min(kinds.values(), key=lambda errors: (any(one.validator == "const" for one in errors), len(errors)))
    return ", ".join(_explain(one) for one in closest)
