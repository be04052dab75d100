"""Kills rank 0 in the middle of pycocotools' evaluation when this folder is in PYTHONPATH."""

import os
import signal
import sys

if os.environ.get("LOCAL_RANK") == "0":
    from pycocotools.cocoeval import COCOeval

    def die(_evaluation: COCOeval) -> None:
        sys.stdout.flush()
        os.kill(os.getpid(), signal.SIGKILL)

    COCOeval.accumulate = die
