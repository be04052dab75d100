"""Signs of progress: each rank says in a small file of its own that it gets on, and in which phase it is.

One write in place and no fsync, so that a sign costs microseconds and may follow every step; what a power cut loses of
it is of no use to anybody. The supervisor reads them (watchdog.py).
"""

import os
from dataclasses import dataclass

from everswin_trainer.job.folder import Job

# The first batch is part of startup. In `saving` the main thread stands still; a save in the background is no phase.
STARTUP, STEP, VALIDATION, SAVING = "startup", "step", "validation", "saving"
PHASES = (STARTUP, STEP, VALIDATION, SAVING)
# Always the same size, so that a sign overwrites the one before it as a whole.
SIGN_BYTES = 64


@dataclass(frozen=True)
class Beat:
    """The last sign of one rank: its `count`th."""

    rank: int
    pid: int
    phase: str
    count: int


class Beats:
    """The signs of this rank; the first, of `startup`, comes at once."""

    def __init__(self, job: Job, rank: int) -> None:
        job.beats.mkdir(exist_ok=True)
        self._descriptor = os.open(job.beats / str(rank), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self._pid = os.getpid()
        self._count = 0
        self.beat(STARTUP)

    def beat(self, phase: str) -> None:
        """Raises OSError when the disk is full: said now, that is no hang later."""
        self._count += 1
        os.pwrite(self._descriptor, f"{self._pid} {phase} {self._count}".ljust(SIGN_BYTES).encode(), 0)


def read_beats(job: Job) -> list[Beat]:
    """The last sign of every rank that gave one, in any order; what is not whole is left out."""
    try:
        signs = [_parse(name, (job.beats / name).read_text(errors="replace")) for name in os.listdir(job.beats)]
    except FileNotFoundError:
        return []
    return [one for one in signs if one is not None]


def _parse(rank: str, sign: str) -> Beat | None:
    fields = sign.split()
    if len(fields) != 3 or not (rank.isdecimal() and fields[0].isdecimal() and fields[2].isdecimal()):
        return None
    return Beat(int(rank), int(fields[0]), fields[1], int(fields[2]))
