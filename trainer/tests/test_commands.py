import subprocess
import sys

from conftest import environment


def test_an_unknown_command_names_the_known_ones() -> None:
    end = subprocess.run(
        [sys.executable, "-m", "everswin_trainer", "chess"], env=environment(), capture_output=True, text=True
    )
    assert end.returncode == 2
    assert "expected the command to be one of supervise, train, test" in end.stderr
