"""Saves a second checkpoint over a first and SIGKILLs itself before the Nth call that changes the disk.

argv: FOLDER N EPOCH. Prints `survived` if there are fewer such calls.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

from everswin_trainer.checkpoints import checkpoint, retention
from everswin_trainer.job.folder import Attempt

folder, deadly = Path(sys.argv[1]), int(sys.argv[2])
CHANGES = {"open", "os.rename", "os.remove", "os.mkdir"}
calls = 0


def count(event: str, arguments: tuple[Any, ...]) -> None:
    """Counts calls before they are made; `part` opens a file so that a kill can hit between two writes."""
    global calls
    if event in CHANGES and armed and str(folder) in str(arguments):
        calls += 1
        if calls == deadly:
            os.kill(os.getpid(), signal.SIGKILL)


def part(stream: Any) -> None:
    """Writes a file in two halves, with a call in between at which the process may die."""
    stream.write(b"x" * 5000)
    stream.flush()
    open(folder / "deadly", "w").close()
    stream.write(b"y" * 5000)


armed = False
sys.addaudithook(count)
origin = checkpoint.Origin("plan", Attempt(1, 1), None)
for epoch in (1, 2, 3):
    checkpoint.save_checkpoint(folder, epoch, epoch * 10, origin, lambda stream: stream.write(b"old" * 100))
armed = True
newest = checkpoint.save_checkpoint(folder, int(sys.argv[3]), int(sys.argv[3]) * 10, origin, part)
retention.apply_retention(folder, newest, 2, frozenset(), {(1, 10): 0.5})
print("survived")
