"""Two users of one machine share the folder of GPU leases."""

import os
import shutil
import tempfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from everswin_trainer.gpu.devices import CPU, Gpu
from everswin_trainer.gpu.lease import clear_stale, holding_run, try_acquire
from everswin_trainer.gpu.queue import Ticket, guard
from everswin_trainer.job.folder import Job

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as two users")


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder to which all users may write."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(folder)


def run_as(user: int, work: Callable[[], None]) -> None:
    """Runs `work` in a fork, as another user with a strict umask; fails if it raises."""
    pid = os.fork()
    if pid == 0:
        try:
            os.setgid(user)
            os.setuid(user)
            os.umask(0o077)
            work()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_users_lease_and_queue_one_after_the_other(shared: Path) -> None:
    def train() -> None:
        job = Job.at(shared / f"{os.getuid()}/train")
        with guard(shared):
            clear_stale(shared, job)
            ticket = Ticket.issue(shared, 3, 0.0, {"run": "x", "gpus": 1, "of": [CPU]})
            # The ticket of the user before is that of a dead process.
            assert ticket.ahead() == []
            assert holding_run(shared, CPU) is None
            lease, _ = try_acquire(shared, [Gpu(CPU, 0, CPU, 0)], 1, job)
            assert lease is not None
            lease.write_record({"job": str(job.folder), "run": "x"})

    for user in (65533, 65534, 65533):
        run_as(user, train)
