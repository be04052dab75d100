import errno
from pathlib import Path

import pytest

from everswin_trainer.job.folder import Job
from everswin_trainer.supervisor.ballast import BALLAST_BYTES, with_ballast, write_ballast


class Disk:
    """A disk on which one can write only once the ballast is gone."""

    def __init__(self, job: Job, trouble: int) -> None:
        self.job, self.trouble, self.tries = job, trouble, 0

    def write(self) -> str:
        self.tries += 1
        if self.job.ballast.exists():
            raise OSError(self.trouble, "in trouble")
        return "written"


@pytest.fixture
def job(tmp_path: Path) -> Job:
    job = Job.at(tmp_path)
    write_ballast(job)
    return job


def test_the_ballast_takes_real_room(job: Job) -> None:
    found = job.ballast.stat()
    assert found.st_size == BALLAST_BYTES
    assert found.st_blocks * 512 >= BALLAST_BYTES


def test_a_full_disk_gets_rid_of_the_ballast(job: Job) -> None:
    disk = Disk(job, errno.ENOSPC)
    assert with_ballast(job, disk.write) == "written"
    assert disk.tries == 2


def test_any_other_trouble_leaves_it(job: Job) -> None:
    with pytest.raises(PermissionError):
        with_ballast(job, Disk(job, errno.EACCES).write)
    assert job.ballast.exists()


def test_a_disk_that_stays_full_is_an_error(job: Job) -> None:
    def write() -> None:
        raise OSError(errno.ENOSPC, "full")

    with pytest.raises(OSError, match="full"):
        with_ballast(job, write)
