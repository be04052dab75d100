"""Sandbox for reading untrusted files: no network, no credentials, a child process with resource limits.

This is defense in depth: the readers of such files never execute their content (weights.py).
"""

import ctypes
import os
import resource
import signal
from collections.abc import Callable
from pathlib import Path

from everswin_trainer.system.process_tree import die_with_parent

# From <linux/sched.h>.
CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000
ISOLATED, NOT_ISOLATED = "isolated", "not isolated"

# Variables that Python and its libraries need. Any other variable may be a secret.
KEPT_ENVIRONMENT = {"PATH", "PYTHONPATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "OMP_NUM_THREADS"}

CPU_SECONDS = 300
# Memory in addition to the file, which is held as read, as converted and as written.
SPARE_MEMORY_BYTES = 1 << 30
SPARE_FILE_BYTES = 1 << 20


def isolate_network() -> str:
    """Isolates this process and its children from the network if the kernel allows it; returns whether it did.

    Call it before a library starts a thread. root needs no user namespace and would lose its privileges in one.
    """
    uid, gid = os.getuid(), os.getgid()
    if _unshare(CLONE_NEWNET):
        return ISOLATED
    if not _unshare(CLONE_NEWUSER | CLONE_NEWNET):
        return NOT_ISOLATED
    # Maps our user to itself; without a map the process would run as the overflow user.
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        try:
            Path("/proc/self", name).write_text(text)
        except OSError:
            # Without the map, only the displayed owner of files changes.
            continue
    return ISOLATED


def drop_credentials() -> None:
    """Removes every environment variable that Python and its libraries do not need."""
    for name in os.environ.keys() - KEPT_ENVIRONMENT:
        del os.environ[name]


def run_in_child(work: Callable[[], int]) -> int:
    """Runs `work` in a forked child and returns the wait status, even if the child crashes."""
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            die_with_parent(parent, signal.SIGKILL)
            _limit(resource.RLIMIT_CORE, 0)
            _limit(resource.RLIMIT_CPU, CPU_SECONDS)
            code = work()
        except Exception as error:
            # Imported here: the parent never needs it.
            import traceback

            traceback.print_exception(error)
        finally:
            os._exit(code)
    return os.waitpid(pid, 0)[1]


def limit_resources(file_bytes: int) -> None:
    """Limits memory and file size to the needs of a file of `file_bytes`. Call it after all imports."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    _limit(resource.RLIMIT_AS, pages * resource.getpagesize() + 4 * file_bytes + SPARE_MEMORY_BYTES)
    _limit(resource.RLIMIT_FSIZE, file_bytes + SPARE_FILE_BYTES)


def _limit(kind: int, maximum: int) -> None:
    """Lowers a limit; never raises it."""
    _, hard = resource.getrlimit(kind)
    limit = maximum if hard == resource.RLIM_INFINITY else min(maximum, hard)
    resource.setrlimit(kind, (limit, limit))


def _unshare(flags: int) -> bool:
    return ctypes.CDLL(None, use_errno=True).unshare(flags) == 0
