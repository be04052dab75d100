"""Starts a slow save and raises at once. argv: FOLDER with a plan.json."""

import sys
import time
from pathlib import Path
from typing import BinaryIO

from everswin_trainer.checkpoints.checkpoint import Origin
from everswin_trainer.checkpoints.saver import Saver, StateCopy
from everswin_trainer.job.folder import Attempt, Job
from everswin_trainer.job.plan import Plan
from everswin_trainer.job.progress import Progress, ProgressReader


def slowly(stream: BinaryIO) -> None:
    time.sleep(0.5)
    stream.write(b"complete")


root = Path(sys.argv[1])
job, plan = Job.at(root / "train"), Plan.load(root / "plan.json")
progress, recorded = Progress(job.progress, 1), ProgressReader(job.progress)
saver = Saver(job, plan, Origin(plan.plan_hash, Attempt(1, 1), None), progress, recorded, frozenset())
copy = StateCopy(epoch=1, iteration=10, size_bytes=5, write=slowly, is_finite=lambda: True)
saver.save(copy, request=0, blocked_since=time.monotonic())
raise RuntimeError("the step failed")
