"""Counts the processes that the kernel killed because memory ran out, in our cgroup and on the whole machine."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

# A cgroup of version 1 without a limit has a number near 2^63.
UNLIMITED_BYTES = 1 << 60
MIB = 1 << 20


@dataclass(frozen=True)
class OomKills:
    """Counters of the kernel at one time. `cgroup` is None without a memory cgroup."""

    cgroup: int | None
    machine: int

    @staticmethod
    def now(root: Path = Path("/")) -> "OomKills":
        """Reads the counters. Never raises: they only explain a failure."""
        folder = _cgroup(root)
        # Version 2 counts in memory.events, version 1 in memory.oom_control.
        counts = [_count(folder / name) for name in ("memory.events", "memory.oom_control")] if folder else []
        return OomKills(next((count for count in counts if count is not None), None), _count(root / "proc/vmstat") or 0)

    def explain(self, killed: bool, root: Path = Path("/")) -> str | None:
        """Says that the kernel killed a process since these counts; None if it did not.

        The machine's count may be about a process of another program, so it counts only if a process of ours was
        `killed` by SIGKILL.
        """
        now = OomKills.now(root)
        if self.cgroup is not None and now.cgroup is not None and now.cgroup > self.cgroup:
            count = now.cgroup - self.cgroup
        elif killed and now.machine > self.machine:
            count = now.machine - self.machine
        else:
            return None
        processes = "a process" if count == 1 else f"{count} processes"
        return f"out of memory: the kernel killed {processes} of this machine; {_format_limit(root)}"


def memory_bytes(root: Path = Path("/")) -> int:
    """Returns the memory that our processes may use: that of the machine, or the lowest limit of a cgroup around us."""
    limit = _lowest_limit(root)
    return _machine_bytes() if limit is None else min(_machine_bytes(), limit[0])


def _lowest_limit(root: Path) -> tuple[int, Path] | None:
    """Returns the lowest limit of our cgroup and those around it, with its folder; None without a limit."""
    limits = []
    folder = _cgroup(root)
    while folder and folder != _mount(root).parent:
        for name in ("memory.max", "memory.limit_in_bytes"):
            limit = _read(folder / name).strip()
            if limit.isdigit() and int(limit) < UNLIMITED_BYTES:
                limits.append((int(limit), folder))
        folder = folder.parent
    return min(limits, default=None)


def _format_limit(root: Path) -> str:
    found = _lowest_limit(root)
    if found is None:
        return f"the machine has {_machine_bytes() // MIB} MiB and no cgroup limit"
    limit, folder = found
    return f"the limit of cgroup {folder} is {limit // MIB} MiB"


def _machine_bytes() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _mount(root: Path) -> Path:
    base = root / "sys/fs/cgroup"
    return base if (base / "cgroup.controllers").exists() else base / "memory"


def _cgroup(root: Path) -> Path | None:
    """Returns the folder of our memory cgroup; None if the machine has none."""
    mount = _mount(root)
    paths = re.findall(r"^\d+:(?:|\S*\bmemory\b\S*):/(.*)$", _read(root / "proc/self/cgroup"), re.MULTILINE)
    # In a container, the path may be that of the machine, while the mount is the container's own group.
    folders = [mount / path for path in paths] + [mount]
    return next((folder for folder in folders if folder.is_dir()), None)


def _count(path: Path) -> int | None:
    found = re.search(r"^oom_kill (\d+)$", _read(path), re.MULTILINE)
    return int(found[1]) if found else None


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
