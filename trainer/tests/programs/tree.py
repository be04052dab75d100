"""A program with a grandchild in its own session. argv: FILE for the grandchild's pid, then `stubborn` or `leave`.

stubborn: both ignore SIGTERM. leave: the program ends at once with code 0 and leaves the grandchild behind.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

pid_file, mode = Path(sys.argv[1]), sys.argv[2]
if mode == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
grandchild = subprocess.Popen(
    [
        sys.executable,
        "-c",
        "import signal, time; signal.signal(15, signal.SIG_IGN); print(flush=True); time.sleep(600)",
    ],
    start_new_session=True,
    stdout=subprocess.PIPE,
)
assert grandchild.stdout is not None
grandchild.stdout.readline()
pid_file.with_suffix(".new").write_text(str(grandchild.pid))
pid_file.with_suffix(".new").rename(pid_file)
if mode == "leave":
    os._exit(0)
time.sleep(600)
