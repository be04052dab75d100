"""A rank that sends heartbeats and then falls silent. argv: seconds before each heartbeat, then how it ends.

hang: in a thread that waits for ever. freeze: stopped from outside, as a debugger or a full machine does.
finish: it leaves.
"""

import os
import signal
import sys
import time

from everswin_trainer.job.folder import JOB_ENV, Job
from everswin_trainer.job.heartbeat import STEP, HeartbeatWriter
from everswin_trainer.system.process_setup import prepare_process


def wait_in_vain() -> None:
    time.sleep(600)


*waits, ending = sys.argv[1:]
prepare_process("cuda")
heartbeats = HeartbeatWriter(Job.at(os.environ[JOB_ENV]), 0)
heartbeats.send(STEP)
for seconds in waits:
    time.sleep(float(seconds))
    heartbeats.send(STEP)
if ending == "freeze":
    os.kill(os.getpid(), signal.SIGSTOP)
if ending != "finish":
    wait_in_vain()
