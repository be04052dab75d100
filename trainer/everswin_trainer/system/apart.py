"""Work on a file that may hold anything: without network, without credentials, in a child with limits.

Best effort in depth: nothing that such a file holds is run in the first place (weights.py).
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
CUT_OFF, AS_IT_WAS = "cut off", "as the process had it"

# What Python and its libraries need to be found and to run. Anything else may be a secret.
KEPT_ENVIRONMENT = {"PATH", "PYTHONPATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "OMP_NUM_THREADS"}

CPU_SECONDS = 300
# Beyond the file itself, which is held as it came, as it goes, and in between.
SPARE_MEMORY_BYTES = 1 << 30
SPARE_FILE_BYTES = 1 << 20


def cut_off_network() -> str:
    """This process and its children have no network from here on, where the kernel lets us; returns which it is.

    Call it before a library starts a thread. root needs no user namespace, and would lose its rights in one.
    """
    uid, gid = os.getuid(), os.getgid()
    if _unshare(CLONE_NEWNET):
        return CUT_OFF
    if not _unshare(CLONE_NEWUSER | CLONE_NEWNET):
        return AS_IT_WAS
    # We stay who we are; without this we would be nobody.
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        try:
            Path("/proc/self", name).write_text(text)
        except OSError:
            # Files are still ours; only their owner's name reads otherwise.
            continue
    return CUT_OFF


def drop_credentials() -> None:
    for name in os.environ.keys() - KEPT_ENVIRONMENT:
        del os.environ[name]


def run_in_child(work: Callable[[], int]) -> int:
    """Wait status of a child that does `work`. Whatever a file does to it, we are there to tell."""
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
            # The innermost frames are enough for whoever has to mend it.
            import traceback

            traceback.print_exception(error)
        finally:
            os._exit(code)
    return os.waitpid(pid, 0)[1]


def limit_resources(file_bytes: int) -> None:
    """From here on memory and files grow only by what a file of this size can need. Call it when all is imported."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    _limit(resource.RLIMIT_AS, pages * resource.getpagesize() + 4 * file_bytes + SPARE_MEMORY_BYTES)
    _limit(resource.RLIMIT_FSIZE, file_bytes + SPARE_FILE_BYTES)


def _limit(kind: int, most: int) -> None:
    """Never more than there was."""
    _, hard = resource.getrlimit(kind)
    least = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(kind, (least, least))


def _unshare(flags: int) -> bool:
    return ctypes.CDLL(None, use_errno=True).unshare(flags) == 0
