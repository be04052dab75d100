"""Heartbeats: each rank writes its progress count and its phase to a small file.

One write in place and no fsync: a heartbeat costs microseconds and can follow every step. A power cut may lose it,
which harms nothing. The supervisor reads the files (watchdog.py).
"""

import os
from dataclasses import dataclass

from everswin_trainer.job.folder import Job

# The first batch is part of startup. `saving` is a save that blocks the main thread, not one in the background.
STARTUP, STEP, VALIDATION, SAVING = "startup", "step", "validation", "saving"
PHASES = (STARTUP, STEP, VALIDATION, SAVING)
# A fixed size, so that each heartbeat overwrites the previous one completely.
RECORD_BYTES = 64
# The kernel's PID_MAX_LIMIT.
MAX_PID = 2**22


@dataclass(frozen=True)
class Heartbeat:
    """The latest heartbeat of one rank; `count` numbers its heartbeats from 1."""

    rank: int
    pid: int
    phase: str
    count: int


class HeartbeatWriter:
    """Writes the heartbeats of this rank, starting with one in the phase `startup`."""

    def __init__(self, job: Job, rank: int) -> None:
        job.heartbeats.mkdir(exist_ok=True)
        self._descriptor = os.open(job.heartbeats / str(rank), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self._pid = os.getpid()
        self._count = 0
        self.send(STARTUP)

    def send(self, phase: str) -> None:
        """Writes a heartbeat. Raises OSError on a full disk, which would otherwise look like a hang."""
        self._count += 1
        os.pwrite(self._descriptor, f"{self._pid} {phase} {self._count}".ljust(RECORD_BYTES).encode(), 0)


def read_heartbeats(job: Job) -> list[Heartbeat]:
    """Returns the latest heartbeat of each rank, in any order; leaves out files that are incomplete."""
    try:
        names = os.listdir(job.heartbeats)
        parsed = [_parse(name, (job.heartbeats / name).read_text(errors="replace")) for name in names]
    except FileNotFoundError:
        return []
    return [heartbeat for heartbeat in parsed if heartbeat is not None]


def _parse(rank: str, text: str) -> Heartbeat | None:
    fields = text.split()
    if len(fields) != 3 or not (rank.isdecimal() and fields[0].isdecimal() and fields[2].isdecimal()):
        return None
    if int(fields[0]) > MAX_PID:
        return None
    return Heartbeat(int(rank), int(fields[0]), fields[1], int(fields[2]))
