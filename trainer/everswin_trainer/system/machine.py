"""Reports the training libraries of this Python: `python -m everswin_trainer machine --out FILE`. Uses no GPU."""

import argparse
import importlib.metadata
import importlib.util
import platform
from pathlib import Path

import torch

from everswin_trainer.system.atomic_file import write_json
from everswin_trainer.system.oom_kills import memory_bytes

PACKAGES = ("torch", "torchvision", "onedl-mmdetection", "onedl-mmengine", "onedl-mmcv", "pycocotools")


def main(argv: list[str]) -> int:
    """Writes {v, python, packages, cuda, cudaDevices, nccl, compiledOps, memoryBytes}."""
    parser = argparse.ArgumentParser(prog="everswin_trainer machine")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args(argv)
    write_json(
        arguments.out,
        {
            "v": 1,
            "python": platform.python_version(),
            "packages": {name: _version(name) for name in PACKAGES},
            "cuda": torch.version.cuda,
            # Counted by the driver; creating a CUDA context would use memory on each GPU.
            "cudaDevices": torch.cuda.device_count(),
            "nccl": _nccl(),
            "compiledOps": importlib.util.find_spec("mmcv._ext") is not None,
            "memoryBytes": memory_bytes(),
        },
    )
    return 0


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _nccl() -> str | None:
    if not torch.distributed.is_nccl_available():
        return None
    return ".".join(map(str, torch.cuda.nccl.version()))
