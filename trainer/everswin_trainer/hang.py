"""Where every rank of a trainer that hangs stands."""

import os
import signal
import time
from contextlib import suppress

from .beats import read_beats
from .job import Job
from .process_tree import descendants

STACKS_SECONDS = 3.0
# A rank writes its stacks within milliseconds of being asked; the log at rest for so long has them all.
STACKS_AT_REST_SECONDS = 0.5


def write_stacks(job: Job) -> None:
    """Asks every rank for the stacks of its threads (process_setup.py) and waits until they are in the log."""
    below = set(descendants(os.getpid()))
    for pid in {beat.pid for beat in read_beats(job)} & below:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGUSR1)
            # One that was stopped answers only once it goes on.
            os.kill(pid, signal.SIGCONT)
    begin = rest_since = time.monotonic()
    size = job.log.stat().st_size
    while time.monotonic() - begin < STACKS_SECONDS:
        time.sleep(0.05)
        before, size = size, job.log.stat().st_size
        if size != before:
            rest_since = time.monotonic()
        if rest_since != begin and time.monotonic() - rest_since > STACKS_AT_REST_SECONDS:
            return
