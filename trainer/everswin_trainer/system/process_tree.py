"""Reads processes from /proc: liveness, descendants, environment, open files. Linux only."""

import ctypes
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

# From <linux/prctl.h>.
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
# Pid of the process that waits for a command.
WORKER_ENV = "EVERSWIN_WORKER_PID"
# Errors of /proc for a process that has ended or belongs to another user. Others, such as EMFILE, say nothing about it.
GONE = (FileNotFoundError, ProcessLookupError, PermissionError)


def become_subreaper() -> None:
    """Makes orphaned descendants, in whatever session, children of this process, so that none escapes it."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(parent: int, number: signal.Signals) -> None:
    """Makes the kernel send this new child `number` when `parent` ends; exits at once if it has already ended."""
    _prctl(PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:
        os._exit(128 + number)


def unwind_on_sigterm() -> None:
    """Makes SIGTERM unwind the stack. By default, it ends this process alone: children and partial files remain."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


def end_with_worker() -> None:
    """Makes a short command, which names its worker in the environment, end when the worker ends or cancels it.

    A job needs no worker: its supervisor watches it. Both ends unwind the stack, so that no partial file is left.
    """
    worker = os.environ.pop(WORKER_ENV, None)
    if worker is not None:
        unwind_on_sigterm()
        die_with_parent(int(worker), signal.SIGTERM)


def outlive_worker() -> None:
    """Undoes `end_with_worker` for a process that becomes the supervisor of a job."""
    _prctl(PR_SET_PDEATHSIG, 0)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def start_ticks(pid: int) -> int | None:
    """Returns the start time in clock ticks since boot (field 22 of stat); None for a dead or zombie process."""
    stat = _stat(pid)
    return None if stat is None or stat[0] in ("Z", "X") else int(stat[19])


def boot_id() -> str:
    """Returns the id of this boot of the kernel; unlike the host name, it never changes while a process runs."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def is_alive(pid: int, ticks: int | None) -> bool:
    """Returns whether the process with this pid and start time still runs; a recycled pid does not match."""
    return ticks is not None and start_ticks(pid) == ticks


def exit_status(pid: int, ticks: int | None) -> int | None:
    """Returns the wait status of a zombie with this pid and start time; None if there is none."""
    stat = _stat(pid)
    if stat is None or stat[0] != "Z" or int(stat[19]) != ticks:
        return None
    return int(stat[49])


def read_environment(pid: int) -> dict[str, str]:
    """Returns the initial environment of a process of this user; empty if it has ended."""
    pairs = (pair.partition(b"=") for pair in _read(pid, "environ").split(b"\0"))
    return {os.fsdecode(name): os.fsdecode(value) for name, _, value in pairs if name}


def read_command_line(pid: int) -> list[str]:
    """Returns the command line of a process; empty if it has ended."""
    return os.fsdecode(_read(pid, "cmdline")).split("\0")


def _all_pids() -> Iterator[int]:
    return (int(name) for name in os.listdir("/proc") if name.isdigit())


def descendants(root: int) -> list[int]:
    """Returns every living process below `root`, parents before children, without zombies."""
    children: dict[int, list[int]] = {}
    for pid in _all_pids():
        stat = _stat(pid)
        if stat is not None:
            children.setdefault(int(stat[1]), []).append(pid)
    pids, queue = [], [root]
    while queue:
        below = children.get(queue.pop(0), [])
        queue += below
        pids += below
    return [pid for pid in pids if start_ticks(pid) is not None]


def ancestors(pid: int) -> list[int]:
    """Returns the ancestors of `pid`, nearest first."""
    pids: list[int] = []
    while (stat := _stat(pid)) is not None and (pid := int(stat[1])) > 0:
        pids.append(pid)
    return pids


def find_by_environment(name: str, value: str) -> list[int]:
    """Returns living processes of this user that were started with `name=value` in their environment."""
    entry = f"{name}={value}".encode()
    return [pid for pid in _all_pids() if entry in _read(pid, "environ").split(b"\0") and start_ticks(pid) is not None]


def find_openers(path: Path) -> list[int]:
    """Returns living processes of this user that have `path` open."""
    return [pid for pid in _all_pids() if str(path) in _open_files(pid)]


def kill_processes(pids: list[int]) -> None:
    """Sends SIGKILL to each process that still exists."""
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def _stat(pid: int) -> list[str] | None:
    """Returns the fields of stat after the second, a name in parentheses that may contain anything."""
    text = _read(pid, "stat").decode(errors="replace")
    return text.rpartition(")")[2].split() if text else None


def _read(pid: int, name: str) -> bytes:
    """Reads a file of /proc/PID; empty if the process has ended or belongs to another user."""
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except GONE:
        return b""


def _open_files(pid: int) -> set[str]:
    folder = f"/proc/{pid}/fd"
    paths = set()
    try:
        names = os.listdir(folder)
    except GONE:
        return paths
    for name in names:
        with suppress(*GONE):
            paths.add(os.readlink(f"{folder}/{name}"))
    return paths


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option}) failed")
