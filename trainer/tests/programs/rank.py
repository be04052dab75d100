"""One rank under torchrun. argv: what rank 1 does (`raise`, `die`), or `hold` or `deaf` for all.

deaf: each sends a heartbeat and ignores SIGTERM, as one that waits deep in a collective.
hold: each rank forks a child as a data loader forks its workers, and both wait.
"""

import multiprocessing
import os
import signal
import sys
import time
from pathlib import Path

from torch.distributed.elastic.multiprocessing.errors import record

from everswin_trainer.job.folder import JOB_ENV, Job
from everswin_trainer.job.heartbeat import HeartbeatWriter


def forked(folder: str) -> None:
    Path(folder, "forked").write_text(str(os.getpid()))
    time.sleep(600)


@record
def main() -> None:
    what, rank = sys.argv[1], int(os.environ["RANK"])
    folder = os.environ[JOB_ENV]
    if what == "hold":
        worker = multiprocessing.get_context("fork").Process(target=forked, args=(folder,))
        worker.start()
        worker.join()
    if what == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        HeartbeatWriter(Job.at(folder), rank)
    if rank == 1 and what == "raise":
        raise ValueError("the second rank has seen enough")
    if rank == 1 and what == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(600)


if __name__ == "__main__":
    main()
