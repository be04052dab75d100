import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import PROGRAMS, environment


@pytest.fixture(params=["stop"])
def program(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, str(PROGRAMS / "stoppable.py"), str(tmp_path / request.param)]
    process = subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    yield process
    process.kill()
    process.wait()


def test_stop_is_detected_while_the_main_thread_is_blocked(program: subprocess.Popen[str], tmp_path: Path) -> None:
    program.terminate()
    time.sleep(0.2)
    # The supervisor may create its file after the signal.
    (tmp_path / "stop").touch()
    assert program.stdout is not None
    assert program.stdout.readline() == "requested\n"
    assert program.poll() is None, "the main thread decides when to exit"


def test_rank_exits_when_sigterm_follows_a_dead_rank(program: subprocess.Popen[str]) -> None:
    program.terminate()
    assert program.wait(60) == 143


# Such a long name makes each access fail, as on a disk that does not answer.
@pytest.mark.parametrize("program", ["x" * 300], indirect=True)
def test_rank_exits_when_the_request_cannot_be_read(program: subprocess.Popen[str]) -> None:
    program.terminate()
    assert program.wait(60) == 143
