import os
import socket
import sys

from forked import Fork, finish, start_command

from conftest import JobFolder
from everswin_trainer.job.folder import FENCE_ENV, JOB_ENV, Job
from everswin_trainer.job.rank_logs import KEPT_ATTEMPTS, rank_log_path


def run_rank(job: JobFolder, rank: int) -> Fork:
    """Runs `train` without arguments, which makes it print an error."""
    variables = {JOB_ENV: str(job.folder), FENCE_ENV: "7", "RANK": str(rank)}
    fork = start_command(job.root / f"output-{rank}", "train", **variables)
    finish([fork], 2)
    return fork


def test_every_rank_but_rank0_writes_to_its_own_log(job: JobFolder) -> None:
    first, other = run_rank(job, 0), run_rank(job, 3)
    assert "the following arguments are required" in first.stderr.read_text()
    assert (other.stdout.read_text(), other.stderr.read_text()) == ("", "")
    [path] = (job.folder / "ranks").iterdir()
    assert path.name == "7-rank-3.log"
    heading, *rest = path.read_text().splitlines()
    assert heading.startswith("rank 3, pid ")
    assert heading.endswith(f", host {socket.gethostname()}")
    assert str(os.getpid()) not in heading
    assert "the following arguments are required" in "\n".join(rest)


def test_prune_keeps_the_logs_of_the_newest_attempts(job: JobFolder) -> None:
    logs = [rank_log_path(Job.at(job.folder), fence, rank) for fence in range(8, 16) for rank in (1, 2)]
    logs[0].parent.mkdir()
    for log in logs:
        log.touch()
    assert job.supervise([sys.executable, "-c", ""]).wait(60) == 1
    assert sorted(logs[-2 * KEPT_ATTEMPTS :]) == sorted(logs[0].parent.iterdir())
