import errno
from pathlib import Path

import pytest

from everswin_trainer.job.folder import Job
from everswin_trainer.supervisor.ballast import BALLAST_BYTES, with_ballast, write_ballast


class Disk:
    """A disk on which writes fail with `error` while the ballast exists."""

    def __init__(self, job: Job, error: int) -> None:
        self.job, self.error, self.tries = job, error, 0

    def write(self) -> str:
        self.tries += 1
        if self.job.ballast.exists():
            raise OSError(self.error, "write failed")
        return "written"


@pytest.fixture
def job(tmp_path: Path) -> Job:
    job = Job.at(tmp_path)
    write_ballast(job)
    return job


def test_ballast_occupies_disk_blocks(job: Job) -> None:
    found = job.ballast.stat()
    assert found.st_size == BALLAST_BYTES
    assert found.st_blocks * 512 >= BALLAST_BYTES


def test_write_is_retried_without_the_ballast_when_the_disk_is_full(job: Job) -> None:
    disk = Disk(job, errno.ENOSPC)
    assert with_ballast(job, disk.write) == "written"
    assert disk.tries == 2


def test_ballast_is_kept_on_other_errors(job: Job) -> None:
    with pytest.raises(PermissionError):
        with_ballast(job, Disk(job, errno.EACCES).write)
    assert job.ballast.exists()


def test_write_fails_when_the_disk_stays_full(job: Job) -> None:
    def write() -> None:
        raise OSError(errno.ENOSPC, "full")

    with pytest.raises(OSError, match="full"):
        with_ballast(job, write)
