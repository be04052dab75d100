"""Collects the stack traces of all ranks of a trainer that hangs."""

import os
import signal
import time
from contextlib import suppress

from everswin_trainer.job.folder import Attempt, Job
from everswin_trainer.job.heartbeat import read_heartbeats
from everswin_trainer.job.rank_logs import list_rank_logs
from everswin_trainer.system.process_tree import descendants

STACKS_SECONDS = 3.0
# A rank writes its stacks within milliseconds; once the logs stop growing for this long, they are complete.
STACKS_SETTLED_SECONDS = 0.5


def write_stack_traces(job: Job, attempt: Attempt) -> None:
    """Makes every rank dump the stacks of its threads (process_setup.py) and waits until they are in its log."""
    below = set(descendants(os.getpid()))
    for pid in {heartbeat.pid for heartbeat in read_heartbeats(job)} & below:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGUSR1)
            # A stopped process handles the signal only after SIGCONT.
            os.kill(pid, signal.SIGCONT)
    begin = grown_at = time.monotonic()
    size = _total_log_bytes(job, attempt)
    while time.monotonic() - begin < STACKS_SECONDS:
        time.sleep(0.05)
        before, size = size, _total_log_bytes(job, attempt)
        if size != before:
            grown_at = time.monotonic()
        if grown_at != begin and time.monotonic() - grown_at > STACKS_SETTLED_SECONDS:
            return


def _total_log_bytes(job: Job, attempt: Attempt) -> int:
    return sum(path.stat().st_size for path in (job.log, *list_rank_logs(job, attempt.fence)))
