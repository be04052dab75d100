"""Prints each of the given lock files on which somebody holds a lock of either kind, one a line."""

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
