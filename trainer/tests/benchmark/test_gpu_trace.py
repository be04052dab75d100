import json
from pathlib import Path
from typing import Any

import torch

from everswin_trainer.benchmark.gpu_trace import GpuTrace, covered, read_trace


def event(category: str, name: str, start: float = 0, length: float = 1) -> dict[str, Any]:
    return {"ph": "X", "cat": category, "name": name, "ts": start, "dur": length}


def test_overlapping_work_counts_once() -> None:
    assert covered([(0, 4), (10, 12), (3, 5), (11, 11.5)]) == 7
    assert covered([]) == 0


def test_a_trace_has_launches_syncs_and_busy_time() -> None:
    trace = [
        event("kernel", "gemm", 100, 50),
        event("kernel", "nccl", 120, 60),
        event("gpu_memcpy", "Memcpy DtoH", 200, 10),
        event("gpu_user_annotation", "step", 0, 1000),
        event("cuda_runtime", "cudaLaunchKernel"),
        event("cuda_runtime", "cudaLaunchKernelExC"),
        event("cuda_driver", "cuLaunchKernelEx"),
        event("cuda_runtime", "cudaMemcpyAsync"),
        event("cuda_runtime", "cudaStreamSynchronize"),
        event("cuda_runtime", "cudaDeviceSynchronize"),
        {"ph": "M", "name": "process_name"},
    ]
    assert read_trace({"traceEvents": trace}) == GpuTrace(launches=3, syncs=1, busy_seconds=90e-6)


def test_a_profile_without_gpu_has_no_counts(tmp_path: Path) -> None:
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
        torch.ones(3).sum()
    file = tmp_path / "trace.json"
    profiler.export_chrome_trace(str(file))
    assert read_trace(json.loads(file.read_bytes())) is None
