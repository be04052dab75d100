"""A rank that sends heartbeats, then stops. argv: seconds before each heartbeat, then how it ends.

hang: it blocks forever. freeze: it stops by SIGSTOP, as in a debugger. finish: it exits.
"""

import os
import signal
import sys
import time

from everswin_trainer.job.folder import JOB_ENV, Job
from everswin_trainer.job.heartbeat import STEP, HeartbeatWriter
from everswin_trainer.system.process_setup import prepare_process


def wait_forever() -> None:
    time.sleep(600)


*waits, end = sys.argv[1:]
prepare_process("cuda")
heartbeats = HeartbeatWriter(Job.at(os.environ[JOB_ENV]), 0)
heartbeats.send(STEP)
for seconds in waits:
    time.sleep(float(seconds))
    heartbeats.send(STEP)
if end == "freeze":
    os.kill(os.getpid(), signal.SIGSTOP)
if end != "finish":
    wait_forever()
