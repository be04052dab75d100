"""Freeze a process of the trainer at a chosen point, so that the chaos suite can kill it there. Tests only.

Python imports this module automatically from PYTHONPATH. It is active only in ranks and supervisors, not in torchrun's
launcher, and wraps the functions that write to disk. The harness writes `armed.json`:

    {"id": 3, "scope": "rank", "job": "train", "point": "before:rename:*.pth", "nth": 2}

All threads of the process then stop before, after or (for appends) during the nth such call since it was armed. The
process writes `reached-3.json` once, so the next attempt passes the same point. The harness kills a process of its
choice and sends SIGCONT to the others. If the folder contains a file `passed`, each point appends a line to it.

The file `clock-trainer` holds seconds by which `time.time` is shifted, as after a jump of the wall clock.
"""

import builtins
import fnmatch
import io
import json
import os
import re
import signal
import sys
import threading
import time

TRAINER_MODULES = {"everswin_trainer", "fake_trainer"}
RANK_COMMANDS = {"train", "test"}
EVENT_TYPE = re.compile(rb'"type":"(\w+)"')

real_open, real_write, real_pwrite, real_fsync = builtins.open, os.write, os.pwrite, os.fsync
real_rename, real_unlink = os.rename, os.unlink
real_time, real_time_ns = time.time, time.time_ns
READ_CLOCK_EVERY_SECONDS = 0.02


class Points:
    """The armed point of this process, if any."""

    def __init__(self, folder: str, scope: str, job: str) -> None:
        self.folder, self.scope, self.job = folder, scope, job
        self.version: tuple[int, int] | None = None
        self.armed: dict | None = None
        self.lock = threading.Lock()
        self.passed = 0
        self.trace: int | None = None
        if os.path.exists(f"{folder}/passed"):
            self.trace = os.open(f"{folder}/passed", os.O_WRONLY | os.O_APPEND)

    def at(self, when: str, operation: str, subject: str) -> None:
        """Stop the process if this point is armed."""
        if self.trace is not None:
            real_write(self.trace, f"{self.scope} {self.job} {when}:{operation}:{subject}\n".encode())
        if self.matches(when, operation, subject):
            with self.lock:
                self.passed += 1
                reached = self.passed == self.armed["nth"]
            if reached:
                self.stop()

    def will_stop_at(self, when: str, operation: str, subject: str) -> bool:
        return self.matches(when, operation, subject) and self.passed + 1 == self.armed["nth"]

    def matches(self, when: str, operation: str, subject: str) -> bool:
        self.reload()
        if self.armed is None:
            return False
        wanted_when, wanted_operation, pattern = self.armed["point"].split(":")
        return (wanted_when, wanted_operation) == (when, operation) and fnmatch.fnmatchcase(subject, pattern)

    def reload(self) -> None:
        path = f"{self.folder}/armed.json"
        try:
            found = os.stat(path)
        except OSError:
            return
        version = found.st_mtime_ns, found.st_ino
        if version == self.version:
            return
        with real_open(path, "rb") as stream:
            armed = json.load(stream)
        self.version, self.passed = version, 0
        self.armed = armed if (armed["scope"], armed["job"]) == (self.scope, self.job) else None

    def stop(self) -> None:
        """Signal this thread, so that it stops immediately; the kernel then stops the other threads."""
        text = json.dumps({"pid": os.getpid(), "at": time.time()}).encode()
        try:
            descriptor = os.open(f"{self.folder}/reached-{self.armed['id']}.json", os.O_CREAT | os.O_EXCL | os.O_WRONLY)
        except FileExistsError:
            return
        real_write(descriptor, text)
        os.close(descriptor)
        signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)


class WatchedWriter(io.BufferedWriter):
    """A temporary file whose data is on disk when a point is reached."""

    points: Points
    subject: str

    def write(self, data) -> int:
        self.points.at("before", "write", self.subject)
        written = super().write(data)
        if self.points.will_stop_at("after", "write", self.subject):
            self.flush()
        self.points.at("after", "write", self.subject)
        return written


def install(points: Points) -> None:
    def watched_open(file, mode="r", *rest, **named):
        if mode != "wb" or not str(file).endswith(".part"):
            return real_open(file, mode, *rest, **named)
        name = os.path.basename(file)
        points.at("before", "open", name)
        stream = WatchedWriter(io.FileIO(file, "wb"))
        stream.points, stream.subject = points, name
        points.at("after", "open", name)
        return stream

    def around(operation, real, subject_of):
        def call(*arguments, **named):
            subject = subject_of(*arguments)
            points.at("before", operation, subject)
            result = real(*arguments, **named)
            points.at("after", operation, subject)
            return result

        return call

    appending = threading.Lock()

    def watched_write(descriptor, data):
        kind = EVENT_TYPE.search(bytes(data[:200]))
        if kind is None or name_of(descriptor) != "progress.jsonl":
            return real_write(descriptor, data)
        subject = kind[1].decode()
        # In production this is one write, so only the last line can be torn; the lock preserves that here.
        with appending:
            points.at("before", "append", subject)
            half = len(data) // 2 if points.will_stop_at("during", "append", subject) else 0
            written = real_write(descriptor, data[:half]) if half else 0
            points.at("during", "append", subject)
            written += real_write(descriptor, data[half:])
            points.at("after", "append", subject)
        return written

    builtins.open = watched_open
    os.write = watched_write
    os.fsync = around("fsync", real_fsync, name_of)
    os.pwrite = around("heartbeat", real_pwrite, lambda descriptor, data, offset: data.split()[1].decode())
    os.rename = around("rename", real_rename, lambda source, target: os.path.basename(target))
    os.unlink = around("unlink", real_unlink, lambda path, **named: os.path.basename(path))


def name_of(descriptor: int) -> str:
    return os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}"))


class ShiftedClock:
    """The wall clock plus the seconds of a file, which is read at most fifty times a second."""

    def __init__(self, path: str) -> None:
        self.path, self.shift, self.read_at = path, 0.0, 0.0

    def seconds(self) -> float:
        now = time.monotonic()
        if now - self.read_at > READ_CLOCK_EVERY_SECONDS:
            self.read_at, self.shift = now, read_number(self.path)
        return self.shift

    def install(self) -> None:
        time.time = lambda: real_time() + self.seconds()
        time.time_ns = lambda: real_time_ns() + round(self.seconds() * 1e9)


def read_number(path: str) -> float:
    try:
        with real_open(path, "rb") as stream:
            return float(stream.read())
    except OSError:
        return 0.0


def find_points() -> Points | None:
    """Return the points of this process; None for a process that is not part of the trainer."""
    folder, argv = os.environ.get("EVERSWIN_CHAOS_DIR"), sys.orig_argv
    if not folder or "-m" not in argv:
        return None
    module, command = [*argv[argv.index("-m") + 1 :], "", ""][:2]
    if module not in TRAINER_MODULES or "--job-dir" not in argv:
        return None
    scope = "supervisor" if command == "supervise" else "rank" if command in RANK_COMMANDS else None
    if scope is None:
        return None
    run, job = os.path.split(os.path.normpath(argv[argv.index("--job-dir") + 1]))
    return Points(f"{folder}/{os.path.basename(run)}", scope, job)


if found := find_points():
    install(found)
if chaos_dir := os.environ.get("EVERSWIN_CHAOS_DIR"):
    ShiftedClock(f"{chaos_dir}/clock-trainer").install()
