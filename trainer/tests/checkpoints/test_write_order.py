"""What the kernel was asked for, in which order: nothing counts that a power cut could still take back (strace)."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import JobFolder, environment

TRACED = "openat,write,fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat"
# A whole file: temporary name, bytes, fsync, rename, fsync of the folder.
FILE = ["create .pth.part", "write .pth.part", "fsync .pth.part", "rename .pth", "fsync folder"]
MANIFEST = ["create .json.part", "write .json.part", "fsync .json.part", "rename .json", "fsync folder"]
ACKNOWLEDGE = ["append checkpoint"]
RETIRE = ["unlink .json", "fsync folder", "unlink .pth"]


@pytest.fixture
def calls(job: JobFolder) -> list[tuple[str, str]]:
    """(checkpoint, what was done) in order; of three checkpoints the first is given up."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed (apt-get install strace)")
    job.plan["checkpoint"]["keepLast"] = 2
    trace = job.root / "trace"
    command = ["strace", "-f", "-y", "-s", "128", "-e", f"trace={TRACED}", "-e", "signal=none", "-o", str(trace)]
    traced = subprocess.run(
        [*command, *job.fake_training()], env=environment(), cwd=job.root, capture_output=True, text=True
    )
    if "ptrace" in traced.stderr:
        pytest.skip(f"strace may not look at processes here: {traced.stderr}")
    assert traced.returncode == 0, traced.stderr
    return read_calls(trace, job)


def test_each_step_of_a_save_lasts_before_the_next_begins(calls: list[tuple[str, str]]) -> None:
    for checkpoint in ("e001-i000010", "e002-i000020"):
        assert of(calls, checkpoint) == FILE + MANIFEST + ACKNOWLEDGE


def test_the_oldest_goes_only_when_the_newest_lasts_and_its_manifest_goes_first(calls: list[tuple[str, str]]) -> None:
    first_unlink = calls.index(("e001-i000010", "unlink .json"))
    assert of(calls[:first_unlink], "e003-i000030") == FILE + MANIFEST + ACKNOWLEDGE
    assert [call for _, call in calls[first_unlink:]] == RETIRE


def of(calls: list[tuple[str, str]], checkpoint: str) -> list[str]:
    """What was done to one checkpoint until another's turn came."""
    own = [index for index, (name, call) in enumerate(calls) if name == checkpoint and not call.startswith("unlink")]
    return [call for _, call in calls[own[0] : own[-1] + 1]]


def read_calls(trace: Path, job: JobFolder) -> list[tuple[str, str]]:
    """Calls that concern the folder of checkpoints, or say that one is safe. A failed call did nothing."""
    folder = job.folder / "checkpoints"
    found: list[tuple[str, str]] = []
    for call in whole_calls(trace.read_text().splitlines()):
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
            # Of a rename the new name counts, which is the last one.
            path = re.findall(r'"([^"]+)"', rest)[-1]
            found.append((name_of(path), f"{operation[:6]} {suffix(path)}"))
    return found


def whole_calls(lines: list[str]) -> Iterator[str]:
    """strace cuts a call in two when another thread's comes in between; it counts where it ended."""
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
