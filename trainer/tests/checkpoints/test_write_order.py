"""Tests the order of system calls with strace: nothing is acknowledged that a power cut could still revert."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import JobFolder, environment

TRACED = "openat,write,fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat"
# Calls of an atomic write: temporary name, bytes, fsync, rename, fsync of the folder.
FILE = ["create .pth.part", "write .pth.part", "fsync .pth.part", "rename .pth", "fsync folder"]
MANIFEST = ["create .json.part", "write .json.part", "fsync .json.part", "rename .json", "fsync folder"]
ACKNOWLEDGE = ["append checkpoint"]
RETIRE = ["unlink .json", "fsync folder", "unlink .pth"]


@pytest.fixture
def calls(job: JobFolder) -> list[tuple[str, str]]:
    """Returns (checkpoint, call) in order, for three checkpoints of which retention deletes the first."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed (apt-get install strace)")
    job.plan["checkpoint"]["keepLast"] = 2
    trace = job.root / "trace"
    command = ["strace", "-f", "-y", "-s", "128", "-e", f"trace={TRACED}", "-e", "signal=none", "-o", str(trace)]
    traced = subprocess.run(
        [*command, *job.fake_training()], env=environment(), cwd=job.root, capture_output=True, text=True
    )
    if "ptrace" in traced.stderr:
        pytest.skip(f"strace is not permitted here: {traced.stderr}")
    assert traced.returncode == 0, traced.stderr
    return read_calls(trace, job)


def test_save_makes_each_step_durable_before_the_next(calls: list[tuple[str, str]]) -> None:
    for checkpoint in ("e001-i000010", "e002-i000020"):
        assert of(calls, checkpoint) == FILE + MANIFEST + ACKNOWLEDGE


def test_oldest_is_deleted_manifest_first_after_the_newest_is_durable(calls: list[tuple[str, str]]) -> None:
    first_unlink = calls.index(("e001-i000010", "unlink .json"))
    assert of(calls[:first_unlink], "e003-i000030") == FILE + MANIFEST + ACKNOWLEDGE
    assert [call for _, call in calls[first_unlink:]] == RETIRE


def of(calls: list[tuple[str, str]], checkpoint: str) -> list[str]:
    """Returns the calls for one checkpoint up to its last one before deletion."""
    own = [index for index, (name, call) in enumerate(calls) if name == checkpoint and not call.startswith("unlink")]
    return [call for _, call in calls[own[0] : own[-1] + 1]]


def read_calls(trace: Path, job: JobFolder) -> list[tuple[str, str]]:
    """Returns successful calls on the checkpoint folder, and those that report a checkpoint."""
    folder = job.folder / "checkpoints"
    found: list[tuple[str, str]] = []
    for call in complete_calls(trace.read_text().splitlines()):
        operation, _, rest = call.partition("(")
        if re.search(r"= -1 E", rest):
            continue
        if f"{job.folder}/progress.jsonl>" in rest and operation == "write" and r"\"type\":\"checkpoint\"" in rest:
            found.append((name_of(rest), "append checkpoint"))
        elif operation == "openat" and "O_CREAT" in rest and f'"{folder}/' in rest:
            found.append((name_of(rest), f"create {suffix(rest)}"))
        elif operation in ("write", "fsync", "fdatasync") and f"<{folder}/" in rest:
            found.append((name_of(rest), f"{operation} {suffix(rest)}"))
        elif operation == "fsync" and f"<{folder}>" in rest:
            found.append(("", "fsync folder"))
        elif operation.startswith(("rename", "unlink")) and f'"{folder}/' in rest:
            # A rename lists the new name last.
            path = re.findall(r'"([^"]+)"', rest)[-1]
            found.append((name_of(path), f"{operation[:6]} {suffix(path)}"))
    return found


def complete_calls(lines: list[str]) -> Iterator[str]:
    """Joins calls that strace split because another thread's call came in between."""
    begun: dict[str, str] = {}
    for line in lines:
        pid, _, call = line.partition(" ")
        call = call.lstrip()
        if call.endswith("<unfinished ...>"):
            begun[pid] = call.removesuffix("<unfinished ...>")
        elif resumed := re.match(r"<\.\.\. \w+ resumed>(.*)", call):
            yield begun.pop(pid, "") + resumed[1]
        else:
            yield call


def name_of(text: str) -> str:
    match = re.search(r"e\d{3}-i\d{6}", text)
    assert match, text
    return match[0]


def suffix(text: str) -> str:
    match = re.search(r"e\d{3}-i\d{6}(\.[a-z.]+)", text)
    assert match, text
    return match[1]
