"""TensorBoard's event files of a training, from what progress.jsonl says: `tensorboard --logdir` reads them."""

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO


class TensorBoard:
    """Loss and its parts, learning rate, seconds a step and AP. Call it with each event that was written.

    What cannot be written is said once, and is never an end of training. torch's SummaryWriter would write the same
    records from a thread of its own, whose traceback (of a disk that was full for a moment) would be the first line in
    the log that names a cause, whatever ended the training hours later.
    """

    def __init__(self, folder: Path, warn: Callable[[str], None]) -> None:
        self._folder = folder
        self._warn = warn
        self._file: EventFile | None = None

    def __call__(self, event: dict[str, Any]) -> None:
        try:
            if event["type"] == "started":
                self._file = EventFile(self._folder, first_step=event["iteration"] + 1)
            elif self._file and (values := scalars(event)):
                self._file.add(event["iteration"], event["t"], values)
        # Whatever it is (a full disk, a package that is missing or does not fit another one): training is worth more.
        except Exception as error:
            self._file = None
            self._warn(f"TensorBoard's files end here: {type(error).__name__}: {error}")


def scalars(event: dict[str, Any]) -> dict[str, float]:
    """The curves that this event has a point of, by tag. A number that is none leaves a gap."""
    values: dict[str, float | None] = {}
    if event["type"] == "step":
        values = {"train/loss": event["loss"], "train/lr": event["lr"], "train/step_seconds": event["stepSeconds"]}
        values |= {f"losses/{name}": value for name, value in event["losses"].items()}
    if event["type"] == "validation":
        values = {"validation/box_AP": event["bbox"]["AP"], "validation/mask_AP": event["segm"]["AP"]}
    return {tag: value for tag, value in values.items() if value is not None}


class EventFile:
    """One file for each trainer. What earlier ones said of `first_step` and later does not count any more."""

    def __init__(self, folder: Path, first_step: int) -> None:
        # Only now: a training without this package goes on.
        from tensorboard.compat.proto.event_pb2 import SessionLog

        folder.mkdir(exist_ok=True)
        # TensorBoard reads them in the order of their names.
        name = f"events.out.tfevents.{time.time():017.6f}.{socket.gethostname()}.{os.getpid()}"
        self._stream: BinaryIO = open(folder / name, "xb")  # noqa: SIM115  (as long as the trainer lives)
        self._write(time.time(), step=first_step, file_version="brain.Event:2")
        self._write(time.time(), step=first_step, session_log=SessionLog(status=SessionLog.START))

    def add(self, step: int, at: float, values: dict[str, float]) -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary

        found = [Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()]
        self._write(at, step=step, summary=Summary(value=found))

    def _write(self, at: float, **fields: Any) -> None:
        """A kill loses nothing of what was added. Raises OSError when the disk is full."""
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.summary.writer.record_writer import RecordWriter

        RecordWriter(self._stream).write(Event(wall_time=at, **fields).SerializeToString())
        self._stream.flush()
