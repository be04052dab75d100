"""A rank that gives signs of progress and then none. argv: the waits before the signs, in seconds, then how it ends.

hang: in a thread that waits for ever. freeze: stopped from outside, as a debugger or a full machine does.
finish: it leaves.
"""

import os
import signal
import sys
import time

from everswin_trainer.job.beats import STEP, Beats
from everswin_trainer.job.folder import JOB_ENV, Job
from everswin_trainer.system.process_setup import prepare_process


def wait_in_vain() -> None:
    time.sleep(600)


*waits, ending = sys.argv[1:]
prepare_process("cuda")
beats = Beats(Job.at(os.environ[JOB_ENV]), 0)
beats.beat(STEP)
for seconds in waits:
    time.sleep(float(seconds))
    beats.beat(STEP)
if ending == "freeze":
    os.kill(os.getpid(), signal.SIGSTOP)
if ending != "finish":
    wait_in_vain()
