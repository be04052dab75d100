"""Writes and reads progress.jsonl: events of all attempts, one object per line (docs/reference/trainer-contract.md)."""

import errno
import math
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from everswin_trainer.system.atomic_file import encode_json, parse_object
from everswin_trainer.system.json_fields import Check, has_fields, is_integer, is_number, is_text


def _is_scored(scores: Any) -> bool:
    """Returns whether `scores` has an AP; null means that there is no ground truth."""
    return isinstance(scores, dict) and "AP" in scores and (scores["AP"] is None or is_number(scores["AP"]))


# Fields of every event.
_COMMON_FIELDS = {"type": is_text, "t": is_number, "attempt": is_integer}
# Fields that are read from an event of each type.
_FIELDS: dict[str, dict[str, Check]] = {
    "started": {"iteration": is_integer, "iterationsPerEpoch": is_integer},
    "step": {"iteration": is_integer, "stepSeconds": is_number},
    "epoch": {"iteration": is_integer},
    "validation": {"epoch": is_integer, "iteration": is_integer, "bbox": _is_scored, "segm": _is_scored},
    "checkpoint": {"iteration": is_integer, "checkpointNow": lambda value: value is None or is_integer(value)},
    "warning": {"message": is_text},
    "ended": {"reason": is_text},
}
# How `Progress` begins the line of a step.
_STEP = b'{"v":1,"type":"step",'


class Progress:
    """Appends events. Each line is one write, so that a crash can leave at most the last line incomplete."""

    def __init__(self, path: Path, attempt: int) -> None:
        self._attempt = attempt
        self._listener: Callable[[dict[str, Any]], None] | None = None
        self._descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        # Ends a line that a crash left incomplete, so that the first event gets a line of its own.
        size = os.fstat(self._descriptor).st_size
        if size > 0 and os.pread(self._descriptor, 1, size - 1) != b"\n":
            os.write(self._descriptor, b"\n")

    def subscribe(self, listener: Callable[[dict[str, Any]], None]) -> None:
        """Calls `listener` with each event that is written from now on."""
        self._listener = listener

    def write(self, kind: str, **fields: Any) -> None:
        """Appends one event. Numbers that JSON cannot hold become null. Raises OSError when the disk is full."""
        event = {"v": 1, "type": kind, "t": time.time(), "attempt": self._attempt, **replace_non_finite(fields)}
        line = encode_json(event)
        if os.write(self._descriptor, line) != len(line):
            # A short write to a regular file means that the disk is full.
            reason = os.strerror(errno.ENOSPC)
            raise OSError(errno.ENOSPC, f"{reason}: cannot append {len(line)} bytes to the progress file")
        if self._listener:
            self._listener(event)


def replace_non_finite(value: Any) -> Any:
    """Returns `value` with NaN and infinities replaced by None, at any depth."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: replace_non_finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [replace_non_finite(item) for item in value]
    return value


class ProgressReader:
    """Reads progress.jsonl as it grows: each call of `events` reads only what was appended. Thread-safe.

    A training that logs each step writes hundreds of megabytes of steps, of which only the newest matters. So of steps
    that follow one another only the last is parsed and kept.
    """

    def __init__(self, path: Path, offset: int = 0) -> None:
        self._path, self._offset, self._inode = path, offset, 0
        self._events: list[dict[str, Any]] = []
        self._unusable_lines = 0
        self._lock = threading.Lock()

    @classmethod
    def from_end(cls, path: Path) -> "ProgressReader":
        """Creates a reader of the events that are written from now on."""
        return cls(path, path.stat().st_size if path.exists() else 0)

    def events(self) -> list[dict[str, Any]]:
        """Returns the complete events, oldest first. Skips unusable lines; a missing file has no events."""
        with self._lock:
            self._read_new()
            return list(self._events)

    def count_unusable_lines(self) -> int:
        """Returns the number of lines that `events` skips: incomplete, foreign or damaged ones."""
        with self._lock:
            self._read_new()
            return self._unusable_lines

    def _read_new(self) -> None:
        try:
            stream = open(self._path, "rb")  # noqa: SIM115
        except FileNotFoundError:
            return
        with stream:
            self._start_over_if_replaced(os.fstat(stream.fileno()))
            stream.seek(self._offset)
            newest_step = b""
            for line in stream:
                if not line.endswith(b"\n"):
                    break  # being written; a writer ends the line that a crash left incomplete
                self._offset += len(line)
                if line.startswith(_STEP):
                    newest_step = line
                    continue
                self._add(newest_step)
                self._add(line)
                newest_step = b""
            self._add(newest_step)

    def _start_over_if_replaced(self, status: os.stat_result) -> None:
        if (self._inode not in (0, status.st_ino)) or status.st_size < self._offset:
            self._offset, self._events, self._unusable_lines = 0, [], 0
        self._inode = status.st_ino

    def _add(self, line: bytes) -> None:
        if not line.strip():
            return
        event = _parse_event(line)
        if event is None:
            self._unusable_lines += 1
            return
        if event["type"] == "step" and self._events and self._events[-1]["type"] == "step":
            self._events.pop()
        self._events.append(event)


def _parse_event(line: bytes) -> dict[str, Any] | None:
    event = parse_object(line)
    if not has_fields(event, _COMMON_FIELDS) or not has_fields(event, _FIELDS.get(event["type"], {})):
        return None
    return event


def surviving_events(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns the preserved lineage: a start discards every earlier step, validation and epoch beyond it.

    Steps that follow an abandoned checkpoint are no longer part of the run.
    """
    kept = []
    limit = math.inf
    for event in reversed(events):
        if event["type"] in ("step", "validation", "epoch") and event["iteration"] > limit:
            continue
        if event["type"] == "started":
            limit = min(limit, event["iteration"])
        kept.append(event)
    return kept[::-1]


def newest_request(events: list[dict[str, Any]]) -> int:
    """Returns the newest `checkpointNow` that a checkpoint has served; 0 if none has."""
    return max((event.get("checkpointNow") or 0 for event in events if event["type"] == "checkpoint"), default=0)


def box_average_precision(events: list[dict[str, Any]]) -> dict[tuple[int, int], float]:
    """Returns validation box AP (0..1) by (epochs done, iterations done); the last repetition of a validation counts.

    Uses the preserved lineage only: a checkpoint that was trained again must not inherit the score of its predecessor.
    """
    scores = {}
    for event in surviving_events(events):
        if event["type"] == "validation":
            scores[event["epoch"], event["iteration"]] = event["bbox"]["AP"] or 0.0
    return scores
