"""A launcher whose rank 1 is reaped by the kernel, so that its status is missed. Rank 0 fails because of it.

It then prints torchrun's report and sleeps; with the argument `silent` it prints no report.
"""

import os
import signal
import subprocess
import sys
import time

from everswin_trainer.job.folder import JOB_ENV, Job
from everswin_trainer.job.heartbeat import HeartbeatWriter

REPORT = """\
Root Cause (first observed failure):
[0]:
  time      : 2026-01-02_03:04:05
  host      : here
  rank      : 1 (local_rank: 1)
  exitcode  : -9 (pid: {pid})
  error_file: <N/A>
  traceback : Signal 9 (SIGKILL) received by PID {pid}
=====
"""


def be_rank(number: int) -> None:
    HeartbeatWriter(Job.at(os.environ[JOB_ENV]), number)
    time.sleep(1.5 if number == 1 else 600)
    os.kill(os.getpid(), signal.SIGKILL)


def main(silent: bool) -> None:
    command = [sys.executable, __file__, "--rank"]
    first = subprocess.Popen([*command, "0"])
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    second = subprocess.Popen([*command, "1"])
    while os.path.exists(f"/proc/{second.pid}"):
        time.sleep(0.01)
    # From here on the status of an ended rank can be read.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    first.terminate()
    time.sleep(0.5)
    if not silent:
        print(REPORT.format(pid=second.pid), end="", flush=True)
    time.sleep(600)


if sys.argv[1:2] == ["--rank"]:
    be_rank(int(sys.argv[2]))
else:
    main("silent" in sys.argv)
