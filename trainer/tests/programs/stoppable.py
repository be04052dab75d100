"""Blocks in C code, where Python runs no signal handler, until a stop. argv: FILE whose existence requests the stop."""

import hashlib
import sys
import threading
import time
from pathlib import Path

from everswin_trainer.job.stop_request import StopRequest


def print_when_requested() -> None:
    while not stop.requested:
        time.sleep(0.01)
    print("requested", flush=True)


stop = StopRequest(Path(sys.argv[1]).exists).install()
threading.Thread(target=print_when_requested, daemon=True).start()
print("ready", flush=True)
hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)
