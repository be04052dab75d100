"""Waits for a stop deep in C code, where Python runs no signal handler. argv: FILE whose existence means "stop"."""

import hashlib
import sys
import threading
import time
from pathlib import Path

from everswin_trainer.job.stop_request import StopRequest


def say_when_raised() -> None:
    while not stop.requested:
        time.sleep(0.01)
    print("raised", flush=True)


stop = StopRequest(Path(sys.argv[1]).exists).install()
threading.Thread(target=say_when_raised, daemon=True).start()
print("ready", flush=True)
hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)
