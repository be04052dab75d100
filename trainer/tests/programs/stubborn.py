"""A rank that writes its pid to FOLDER and ends only by SIGKILL. argv: FOLDER."""

import os
import signal
import sys
import time

signal.signal(signal.SIGTERM, signal.SIG_IGN)
with open(f"{sys.argv[1]}/rank-{os.environ['RANK']}.part", "w") as stream:
    stream.write(str(os.getpid()))
os.rename(stream.name, stream.name.removesuffix(".part"))
time.sleep(600)
