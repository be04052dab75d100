"""Measures the model FLOPs utilization (MFU): share of a GPU's peak that a model uses (docs/reference/metrics.md)."""

import torch
from mmengine.config import ConfigDict

from everswin_trainer.gpu.peak_flops import Precision, peak_flops
from everswin_trainer.model.flops import FlopCounter


class MfuMeter:
    """Measures the MFU of this rank. It reads only shapes, so training gives the same bits with and without it."""

    def __init__(self, counter: FlopCounter, peak: float) -> None:
        """Takes the peak of the GPU in FLOP/s."""
        self._counter = counter
        self._peak = peak

    @classmethod
    def of(cls, detector: torch.nn.Module, optim_wrapper: ConfigDict, gpu: str) -> "MfuMeter":
        """Raises ValueError if the peak of the GPU is unknown, and TypeError for a detector that it cannot count."""
        precision = precision_of(optim_wrapper)
        peak = peak_flops(gpu, precision)
        if peak is None:
            raise ValueError(f"the peak of {gpu} in {precision} is not in everswin_trainer/gpu/peak_flops.py")
        return cls(FlopCounter(detector), peak)

    def take(self, seconds: float) -> float:
        """Returns the MFU, 0 to 1, of the steps since the last call, which took `seconds`."""
        return self._counter.take() / (seconds * self._peak)


def precision_of(optim_wrapper: ConfigDict) -> Precision:
    """Returns the precision in which a GPU multiplies matrices with this configuration."""
    if optim_wrapper.type == "AmpOptimWrapper":
        return "bf16" if optim_wrapper.get("dtype") in ("bfloat16", torch.bfloat16) else "fp16"
    # cuDNN's convolutions use TF32 by default, cuBLAS's matrix products do not.
    uses_tf32 = torch.backends.cudnn.allow_tf32 or torch.backends.cuda.matmul.allow_tf32
    return "tf32" if uses_tf32 else "fp32"
