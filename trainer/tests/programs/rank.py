"""One rank under torchrun. argv: a behavior of rank 1 (`raise`, `die`) or of all ranks (`hold`, `deaf`).

deaf: sends a heartbeat and ignores SIGTERM, like a rank that waits in a collective.
hold: forks a child, as a data loader forks its workers, and both wait.
"""

import multiprocessing
import os
import signal
import sys
import time
from pathlib import Path

from everswin_trainer.job.folder import JOB_ENV, Job
from everswin_trainer.job.heartbeat import HeartbeatWriter


def forked(folder: str) -> None:
    Path(folder, "forked").write_text(str(os.getpid()))
    time.sleep(600)


def main(behavior: str) -> None:
    rank = int(os.environ["RANK"])
    folder = os.environ[JOB_ENV]
    if behavior == "hold":
        worker = multiprocessing.get_context("fork").Process(target=forked, args=(folder,))
        worker.start()
        worker.join()
    if behavior == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        HeartbeatWriter(Job.at(folder), rank)
    if rank == 1 and behavior == "raise":
        raise ValueError("rank 1 fails")
    if rank == 1 and behavior == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(600)


if __name__ == "__main__":
    behavior = sys.argv[1]
    if behavior == "raise":
        # Only here, because the import of torch takes more than a second.
        from torch.distributed.elastic.multiprocessing.errors import record

        main = record(main)
    main(behavior)
