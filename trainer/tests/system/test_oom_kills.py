import re
import sys
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from conftest import JobFolder
from everswin_trainer.system.oom_kills import OomKills, memory_bytes

# Grows until the limit of the test's cgroup, which does not count the shared pages of Python.
GREEDY = """
import sys
open(sys.argv[1] + "/cgroup.procs", "w").write("0")
hoard = []
while True:
    hoard.append(bytearray(1 << 20))
"""


def version_1(root: Path, kills: int, limit: int = 512 << 20) -> None:
    group = root / "sys/fs/cgroup/memory/jobs/a"
    group.mkdir(parents=True, exist_ok=True)
    (group / "memory.oom_control").write_text("\n".join(["oom_kill_disable 0", "under_oom 0", f"oom_kill {kills}", ""]))
    (group / "memory.limit_in_bytes").write_text(f"{(1 << 63) - 4096}\n")
    (group.parent / "memory.limit_in_bytes").write_text(f"{limit}\n")
    machine(root, "9:cpu:/\n4:memory:/jobs/a\n0::/\n", kills)


def version_2(root: Path, kills: int, limit: int = 512 << 20) -> None:
    group = root / "sys/fs/cgroup/jobs/a"
    group.mkdir(parents=True, exist_ok=True)
    (root / "sys/fs/cgroup/cgroup.controllers").write_text("cpu memory\n")
    (group / "memory.events").write_text("\n".join(["max 7", "oom 1", f"oom_kill {kills}", "oom_group_kill 0", ""]))
    (group / "memory.max").write_text("max\n")
    (group.parent / "memory.max").write_text(f"{limit}\n")
    machine(root, "0::/jobs/a\n", kills)


def machine(root: Path, groups: str, kills: int) -> None:
    (root / "proc/self").mkdir(parents=True, exist_ok=True)
    (root / "proc/self/cgroup").write_text(groups)
    (root / "proc/vmstat").write_text(f"oom_kill {kills}\n")


@pytest.mark.parametrize("version", [version_1, version_2])
def test_explain_names_the_limit_of_the_cgroup(tmp_path, version) -> None:
    version(tmp_path, 3)
    assert memory_bytes(tmp_path) == 512 << 20
    before = OomKills.now(tmp_path)
    assert before.explain(killed=True, root=tmp_path) is None
    version(tmp_path, 5)
    explanation = before.explain(killed=False, root=tmp_path)
    assert explanation is not None
    assert re.match(
        r"out of memory: the kernel killed 2 processes of this machine; the limit of cgroup \S*/jobs is 512 MiB$",
        explanation,
    )


def test_explain_blames_the_machine_only_if_our_process_was_killed(tmp_path) -> None:
    machine(tmp_path, "0::/\n", 0)
    before = OomKills.now(tmp_path)
    machine(tmp_path, "0::/\n", 1)
    assert before.explain(killed=False, root=tmp_path) is None
    assert "no cgroup limit" in (before.explain(killed=True, root=tmp_path) or "")


@pytest.fixture
def cgroup() -> Iterator[Path]:
    own = re.search(r"^\d+:memory:(/.*)$", Path("/proc/self/cgroup").read_text(), re.MULTILINE)
    folder = Path(f"/sys/fs/cgroup/memory{own[1] if own else ''}/everswin-{uuid.uuid4()}")
    try:
        folder.mkdir()
        (folder / "memory.limit_in_bytes").write_text(str(64 << 20))
    except OSError:
        pytest.skip("needs root and a memory cgroup of version 1")
    yield folder
    with suppress(OSError):
        folder.rmdir()


def test_supervisor_logs_that_the_kernel_killed_the_program_for_memory(job: JobFolder, cgroup: Path) -> None:
    before = OomKills.now()
    assert job.supervise([sys.executable, "-c", GREEDY, str(cgroup)]).wait(60) == 1
    assert job.exit()["signal"] == "SIGKILL"
    if OomKills.now().machine == before.machine:
        pytest.skip("this kernel does not count the kills")
    assert "supervise: out of memory: the kernel killed a process" in (job.folder / "trainer.log").read_text()
