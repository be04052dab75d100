"""Saves a second checkpoint over a first and SIGKILLs itself before the Nth call that changes the disk.

argv: FOLDER N. Prints `whole` if it survived, i.e. if there are fewer such calls.
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
    """Audit hooks run before the call itself; `part` opens a file of its own to be killed between two writes."""
    global calls
    if event in CHANGES and armed and str(folder) in str(arguments):
        calls += 1
        if calls == deadly:
            os.kill(os.getpid(), signal.SIGKILL)


def part(stream: Any) -> None:
    """Half of the file reaches the disk, then another chance to die."""
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
print("whole")
