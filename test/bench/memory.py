"""Reads the memory of processes."""

from pathlib import Path


def memory_maps(pid: int | str = "self") -> dict[str, float]:
    """Returns the fields of /proc/PID/smaps_rollup, such as Rss, Pss and Private_Dirty, in MiB. Raises OSError."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    return {name: int(size.split()[0]) / 1024 for name, _, size in (line.partition(":") for line in lines)}
