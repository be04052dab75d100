"""Tests the table of peak performances."""

import pytest

from everswin_trainer.gpu.peak_flops import Precision, peak_flops


@pytest.mark.parametrize(
    ("gpu", "precision", "expected"),
    [
        ("NVIDIA GeForce RTX 3090", "fp16", 71e12),
        ("NVIDIA A100-SXM4-80GB", "bf16", 312e12),
        ("NVIDIA A100 80GB PCIe", "tf32", 156e12),
        ("Tesla V100-SXM2-16GB", "tf32", 15.7e12),
        ("Tesla T4", "bf16", None),
        ("NVIDIA A100-SXM4-80GB MIG 1g.10gb", "fp16", None),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", "fp16", None),
        ("NVIDIA GeForce RTX 3080", "fp16", None),
    ],
)
def test_peak_flops_knows_exactly_the_listed_gpus(gpu: str, precision: Precision, expected: float | None) -> None:
    assert peak_flops(gpu, precision) == expected
