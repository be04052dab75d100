"""Writes TensorBoard event files from the events of progress.jsonl."""

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO


class TensorBoard:
    """Writes losses, learning rate, speed and AP. Call it with each progress event.

    A write error causes one warning and never ends training. torch's SummaryWriter writes from a thread, and logs a
    traceback after a transient error. That traceback would look like the cause of a later failure.
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
        # A full disk or a missing or incompatible package must not end training.
        except Exception as error:
            self._file = None
            self._warn(f"TensorBoard files are no longer written: {type(error).__name__}: {error}")


def scalars(event: dict[str, Any]) -> dict[str, float]:
    """Returns the values of an event by tag. A missing value leaves a gap in its curve."""
    values: dict[str, float | None] = {}
    if event["type"] == "step":
        values = {"train/loss": event["loss"], "train/lr": event["lr"], "train/step_seconds": event["stepSeconds"]}
        values |= {"train/images_per_second": event.get("imagesPerSecond"), "train/mfu": event.get("mfu")}
        values |= {f"losses/{name}": value for name, value in event["losses"].items()}
    if event["type"] == "validation":
        values = {"validation/box_AP": event["bbox"]["AP"], "validation/mask_AP": event["segm"]["AP"]}
    return {tag: value for tag, value in values.items() if value is not None}


class EventFile:
    """Event file of one trainer. It supersedes records of `first_step` and later in earlier files."""

    def __init__(self, folder: Path, first_step: int) -> None:
        # Imported here: training works without this package.
        from tensorboard.compat.proto.event_pb2 import SessionLog

        folder.mkdir(exist_ok=True)
        # TensorBoard reads event files in order of their names.
        name = f"events.out.tfevents.{time.time():017.6f}.{socket.gethostname()}.{os.getpid()}"
        self._stream: BinaryIO = open(folder / name, "xb")  # noqa: SIM115  (as long as the trainer lives)
        self._write(time.time(), step=first_step, file_version="brain.Event:2")
        self._write(time.time(), step=first_step, session_log=SessionLog(status=SessionLog.START))

    def add(self, step: int, at: float, values: dict[str, float]) -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary

        scalars = [Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()]
        self._write(at, step=step, summary=Summary(value=scalars))

    def _write(self, at: float, **fields: Any) -> None:
        """Writes and flushes a record, so that a kill loses nothing. Raises OSError when the disk is full."""
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.summary.writer.record_writer import RecordWriter

        RecordWriter(self._stream).write(Event(wall_time=at, **fields).SerializeToString())
        self._stream.flush()
