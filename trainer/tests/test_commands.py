import subprocess
import sys

from conftest import environment


def test_main_lists_the_commands_when_the_command_is_unknown() -> None:
    end = subprocess.run(
        [sys.executable, "-m", "everswin_trainer", "chess"], env=environment(), capture_output=True, text=True
    )
    assert end.returncode == 2
    assert "expected the command to be one of supervise, standby, train, test" in end.stderr
