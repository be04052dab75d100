"""Applies the speed switches that are settings of PyTorch's CUDA backend. On a CPU they have no effect."""

import os

import torch

from everswin_trainer.job.speed import Speed

# PyTorch reads it when it first uses its allocator.
ALLOCATOR_VARIABLE = "PYTORCH_ALLOC_CONF"
EXPANDABLE_SEGMENTS = "expandable_segments:True"


def set_up_cuda(speed: Speed) -> None:
    if speed.expandable_segments:
        os.environ[ALLOCATOR_VARIABLE] = EXPANDABLE_SEGMENTS
    if speed.tf32:
        # Unlike torch.set_float32_matmul_precision, it does not change a CPU. Convolutions use TF32 by default.
        torch.backends.cuda.matmul.allow_tf32 = True
