"""Reads plan.json, which the worker wrote; ignores keys that the trainer does not need."""

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from everswin_trainer.job.speed import SWITCHES, Speed
from everswin_trainer.system.json_fields import is_integer, is_number

# Hash of the plan file, set by a worker that starts a training.
SHA256_ENV = "EVERSWIN_PLAN_SHA256"


@dataclass(frozen=True)
class Plan:
    """The plan of a run, the same for every attempt."""

    run_id: str
    plan_hash: str
    recipe_name: str
    recipe_sha256: str
    # 0 trains nothing and tests the given weights.
    epochs: int
    seed: int
    gpus: int
    batch_per_gpu: int
    # None for the recipe's own.
    learning_rate: float | None
    # Classes of the starting weights, in the order of their outputs; None if unknown.
    initial_classes: tuple[str, ...] | None
    loader_workers: int
    # Images per rank that a validation computes at once.
    validation_batch: int
    log_every_steps: int
    # None chooses the interval automatically (interval.py).
    every_minutes: float | None
    keep_last: int
    # Epochs whose checkpoint is kept permanently; None keeps those before each learning-rate drop.
    milestones: frozenset[int] | None
    speed: Speed

    @classmethod
    def load(cls, path: str | Path) -> "Plan":
        """Reads a plan. Raises ValueError that lists every field that is missing or out of range.

        Also raises ValueError for a file other than the one that the worker wrote, if the environment has its hash.
        """
        data = Path(path).read_bytes()
        expected = os.environ.get(SHA256_ENV)
        if expected and hashlib.sha256(data).hexdigest() != expected:
            raise ValueError(f"{path} was changed after the worker wrote it: it is a copy of the plan in the history")
        try:
            content = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"expected {path} to be JSON, got: {error}") from error
        reader = _Reader(content)
        plan = cls(
            run_id=reader.text("runId"),
            plan_hash=reader.text("planHash"),
            recipe_name=reader.text("recipe", "name"),
            recipe_sha256=reader.text("recipe", "sha256"),
            epochs=reader.integer("epochs", minimum=0),
            seed=reader.integer("seed", minimum=0),
            gpus=reader.integer("gpus", minimum=1),
            batch_per_gpu=reader.integer("batchPerGpu", minimum=1),
            learning_rate=reader.optional_number("learningRate"),
            initial_classes=reader.optional_texts("weights", "detector", "classes"),
            loader_workers=reader.integer("loaderWorkers", minimum=0),
            validation_batch=reader.optional_integer("validationBatch", minimum=1, default=1),
            log_every_steps=reader.integer("logEverySteps", minimum=1),
            every_minutes=reader.number_or_auto("checkpoint", "everyMinutes"),
            # With only one, no checkpoint would exist while it is replaced.
            keep_last=reader.integer("checkpoint", "keepLast", minimum=2),
            milestones=reader.optional_integers("checkpoint", "milestones", minimum=1),
            speed=Speed(**{field: reader.optional_flag("speed", name) for name, field in SWITCHES.items()}),
        )
        if reader.problems:
            raise ValueError(f"{path} is not a plan: " + "; ".join(reader.problems))
        return plan


class _Reader:
    """Reads fields of parsed JSON and collects all problems."""

    def __init__(self, content: Any) -> None:
        self._content = content
        self.problems: list[str] = []

    def text(self, *path: str) -> str:
        return self._read(path, "a non-empty string", lambda value: isinstance(value, str) and value != "", "")

    def integer(self, *path: str, minimum: int) -> int:
        return self._read(path, f"an integer of at least {minimum}", lambda value: is_integer(value, minimum), minimum)

    def optional_integer(self, *path: str, minimum: int, default: int) -> int:
        def accepts(value: Any) -> bool:
            return value is None or is_integer(value, minimum)

        value = self._read(path, f"an integer of at least {minimum}", accepts, None)
        return default if value is None else value

    def number_or_auto(self, *path: str) -> float | None:
        """Returns None for `auto`."""

        def accepts(value: Any) -> bool:
            return value == "auto" or (is_number(value) and value > 0)

        value = self._read(path, 'a number above 0 or "auto"', accepts, "auto")
        return None if value == "auto" else float(value)

    def optional_number(self, *path: str) -> float | None:
        """Reads a number above 0."""
        value = self._read(
            path, "a number above 0", lambda value: value is None or (is_number(value) and value > 0), None
        )
        return None if value is None else float(value)

    def optional_texts(self, *path: str) -> tuple[str, ...] | None:
        def accepts(value: Any) -> bool:
            return value is None or (isinstance(value, list) and all(isinstance(item, str) for item in value))

        value = self._read(path, "a list of texts", accepts, None)
        return None if value is None else tuple(value)

    def optional_integers(self, *path: str, minimum: int) -> frozenset[int] | None:
        def accepts(value: Any) -> bool:
            return value is None or (isinstance(value, list) and all(is_integer(item, minimum) for item in value))

        value = self._read(path, f"a list of integers of at least {minimum}", accepts, None)
        return None if value is None else frozenset(value)

    def optional_flag(self, *path: str) -> bool:
        value = self._read(path, "true or false", lambda value: value is None or isinstance(value, bool), None)
        return value is True

    def _read(self, path: tuple[str, ...], expected: str, accepts: Any, default: Any) -> Any:
        value = self._content
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        if accepts(value):
            return value
        self.problems.append(f"expected {'.'.join(path)} to be {expected}, got {value!r}")
        return default
