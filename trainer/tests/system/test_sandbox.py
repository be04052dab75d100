import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import environment
from everswin_trainer.system.sandbox import limit_resources, run_in_child

ISOLATED = """
import json, os, socket, sys
from everswin_trainer.system.sandbox import isolate_network, drop_credentials
port, uid = int(sys.argv[1]), int(sys.argv[2])
if uid:
    import ctypes
    os.setgroups([]); os.setgid(uid); os.setuid(uid)
    ctypes.CDLL(None).prctl(4, 1)  # PR_SET_DUMPABLE, as for a process that this user started
network = isolate_network()
drop_credentials()
try:
    socket.socket().connect(("127.0.0.1", port))
    reached = True
except OSError:
    reached = False
print(json.dumps({"network": network, "reached": reached, "uid": os.getuid(), "environment": sorted(os.environ)}))
"""


def isolated(uid: int) -> dict:
    with socket.create_server(("127.0.0.1", 0)) as server:
        command = [sys.executable, "-c", ISOLATED, str(server.getsockname()[1]), str(uid)]
        env = {**environment(), "AWS_SECRET_ACCESS_KEY": "secret", "HTTPS_PROXY": "http://127.0.0.1"}
        return json.loads(subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE, timeout=60).stdout)


def test_isolated_process_reaches_no_network() -> None:
    result = isolated(0)
    assert result["network"] in ("isolated", "not isolated"), "the kernel may refuse namespaces"
    assert result["reached"] is (result["network"] != "isolated")


@pytest.mark.skipif(os.getuid() != 0, reason="without root, the previous test covers this")
def test_isolated_unprivileged_process_keeps_its_user() -> None:
    result = isolated(12345)
    assert result["reached"] is (result["network"] != "isolated")
    assert result["uid"] == 12345


def test_drop_credentials_keeps_only_required_variables() -> None:
    assert isolated(0)["environment"] == ["HOME", "OMP_NUM_THREADS", "PATH", "PYTHONPATH"]


def test_run_in_child_returns_the_wait_status_of_any_end(capfd: pytest.CaptureFixture[str]) -> None:
    def fail() -> int:
        raise ValueError("it failed")

    assert os.waitstatus_to_exitcode(run_in_child(lambda: 7)) == 7
    assert os.waitstatus_to_exitcode(run_in_child(lambda: os.kill(os.getpid(), signal.SIGSEGV) or 0)) == -signal.SIGSEGV
    assert os.waitstatus_to_exitcode(run_in_child(fail)) == 1
    assert "ValueError: it failed" in capfd.readouterr().err


def test_limit_resources_bounds_memory_and_file_size(tmp_path: Path) -> None:
    def exceed() -> int:
        limit_resources(1000)
        bytearray(1 << 20)
        try:
            bytearray(2 << 30)
        except MemoryError:
            pass
        else:
            return 2
        (tmp_path / "small").write_bytes(b"\0" * 1000)
        try:
            (tmp_path / "large").write_bytes(b"\0" * (2 << 20))
        except OSError:
            return 0
        return 3

    assert os.waitstatus_to_exitcode(run_in_child(exceed)) == 0
