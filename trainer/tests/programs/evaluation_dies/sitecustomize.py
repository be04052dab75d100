"""With this folder in PYTHONPATH a process is killed in the middle of pycocotools' evaluation."""

import os
import signal
import sys

if os.environ.get("LOCAL_RANK") == "0":
    from pycocotools.cocoeval import COCOeval

    def die(_evaluation: COCOeval) -> None:
        sys.stdout.flush()
        os.kill(os.getpid(), signal.SIGKILL)

    COCOeval.accumulate = die
