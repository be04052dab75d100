"""The end of a trainer that hangs: where every rank stood, and an exit.json that says `hung`."""

import os
import signal
import time
from contextlib import suppress

from .beats import read_beats
from .ending import Ended
from .job import Attempt, Job
from .process_tree import descendants
from .root_cause import signal_name
from .watchdog import Stall
from .whole_file import write_json

HUNG = "hung"
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


def write_hung_exit(job: Job, attempt: Attempt, ended: Ended, stall: Stall) -> str:
    """Writes exit.json and returns its reason. Which rank hangs is not known: each waits for the others."""
    code = os.waitstatus_to_exitcode(ended.status)
    cause = {"rank": None, "pid": None, "exitCode": None, "signal": None, "at": time.time()}
    write_json(
        job.exit,
        {
            "v": 1,
            "attempt": attempt.number,
            "fence": attempt.fence,
            "code": code if code >= 0 else None,
            "signal": signal_name(-code) if code < 0 else None,
            "stopRequested": ended.stop_requested,
            "reason": HUNG,
            "rootCause": {**cause, "message": f"{stall}; the stacks of all ranks are in {job.log.name}"},
            "startedAt": ended.started_at,
            "endedAt": time.time(),
        },
    )
    return HUNG
