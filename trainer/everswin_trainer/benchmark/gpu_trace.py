"""Counts what a profiled training does on a GPU, from a trace of torch's profiler (Chrome's trace format)."""

from dataclasses import dataclass
from typing import Any

# Categories of events that occupy the GPU, and of calls on the host.
GPU_WORK = ("kernel", "gpu_memcpy", "gpu_memset")
HOST_CALLS = ("cuda_runtime", "cuda_driver")
# Prefixes of the calls that start work: cudaLaunchKernel, cudaLaunchKernelExC, cuLaunchKernelEx, cudaGraphLaunch, …
LAUNCHES = ("cudaLaunch", "cuLaunch", "cudaGraphLaunch")
# Call by which the host waits for a stream: reading a value, a data-dependent size, a blocking copy.
SYNC = "cudaStreamSynchronize"
MICROSECONDS = 1e6


@dataclass(frozen=True)
class GpuTrace:
    """Kernel launches, waits of the host, and seconds in which the GPU worked."""

    launches: int
    syncs: int
    busy_seconds: float


def read_trace(document: dict[str, Any]) -> GpuTrace | None:
    """Returns the counts; None if the profiler saw no GPU work, as on a CPU or without permission for CUPTI."""
    events = [event for event in document["traceEvents"] if event.get("ph") == "X"]
    work = [(event["ts"], event["ts"] + event["dur"]) for event in events if event.get("cat") in GPU_WORK]
    if not work:
        return None
    calls = [event["name"] for event in events if event.get("cat") in HOST_CALLS]
    return GpuTrace(
        launches=sum(name.startswith(LAUNCHES) for name in calls),
        syncs=calls.count(SYNC),
        busy_seconds=covered(work) / MICROSECONDS,
    )


def covered(intervals: list[tuple[float, float]]) -> float:
    """Returns the length of the union of intervals: streams may work at the same time."""
    total, end = 0.0, float("-inf")
    for start, stop in sorted(intervals):
        total += max(0.0, stop - max(start, end))
        end = max(end, stop)
    return total
