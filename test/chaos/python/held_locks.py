"""Print each given lock file on which a process holds a flock or fcntl lock, one per line."""

import fcntl
import os
import sys

for path in sys.argv[1:]:
    if not os.path.exists(path):
        continue
    with open(path, "r+b") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.lockf(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(path)
