"""The peak performance of GPUs, which the model FLOPs utilization (MFU) compares a training with.

Dense matrix products (no structured sparsity) in TFLOP/s, at the boost clock that the vendor states. fp16 and bf16 are
those of tensor cores that accumulate in fp32, as training does: GeForce cards run them at half the speed of fp16
accumulation. Sources, all of NVIDIA: the white papers of GA100, GA102, Ada, Ada for professional GPUs, Hopper and RTX
Blackwell; the data sheets of V100, V100S, T4, A10, A30, A40, RTX A6000, L4, L40, L40S, H100, H200 and GH200, which
state some figures with sparsity, twice these.
"""

from typing import Literal

Precision = Literal["fp16", "bf16", "tf32", "fp32"]

# TFLOP/s in fp16 and bf16, TF32 and fp32, by the name that torch and nvidia-smi report, without "NVIDIA". The name must
# be equal: a laptop's GPU and a MIG slice are slower. A name of two different chips, such as RTX 3080, is not listed.
AMPERE_OR_NEWER = {
    "A100-SXM4-40GB": (312, 156, 19.5),
    "A100-SXM4-80GB": (312, 156, 19.5),
    "A100-PCIE-40GB": (312, 156, 19.5),
    "A100 80GB PCIe": (312, 156, 19.5),
    "A10": (125, 62.5, 31.2),
    "A30": (165, 82, 10.3),
    "A40": (149.7, 74.8, 37.4),
    "RTX A6000": (154.8, 77.4, 38.7),
    "GeForce RTX 3090": (71, 35.6, 35.6),
    "L4": (121, 60, 30.3),
    "L40": (181, 90.5, 90.5),
    "L40S": (362, 183, 91.6),
    "RTX 6000 Ada Generation": (364.2, 182.1, 91.1),
    "GeForce RTX 4080": (97.5, 48.7, 48.7),
    "GeForce RTX 4090": (165.2, 82.6, 82.6),
    "GeForce RTX 5090": (209.5, 104.8, 104.8),
    "H100 80GB HBM3": (989.4, 494.7, 66.9),
    "H100 PCIe": (756, 378, 51.2),
    "H100 NVL": (835, 417.5, 60),
    "H200": (989.4, 494.7, 66.9),
    "H200 NVL": (835, 417.5, 60),
    "GH200 480GB": (989.4, 494.7, 66.9),
}
# TFLOP/s in fp16 and fp32. These GPUs compute in fp32 where TF32 is allowed, and only emulate bf16.
VOLTA_AND_TURING = {
    "Tesla V100-SXM2-16GB": (125, 15.7),
    "Tesla V100-SXM2-32GB": (125, 15.7),
    "Tesla V100-PCIE-16GB": (112, 14),
    "Tesla V100-PCIE-32GB": (112, 14),
    "Tesla V100S-PCIE-32GB": (130, 16.4),
    "Tesla T4": (65, 8.1),
}
TERA = 1e12


def peak_flops(gpu: str, precision: Precision) -> float | None:
    """Returns the peak of the GPU with this name in FLOP/s; None if it is not in the table or lacks the precision."""
    name = gpu.removeprefix("NVIDIA ")
    if name in AMPERE_OR_NEWER:
        half, tf32, single = AMPERE_OR_NEWER[name]
        return {"fp16": half, "bf16": half, "tf32": tf32, "fp32": single}[precision] * TERA
    if name in VOLTA_AND_TURING and precision != "bf16":
        half, single = VOLTA_AND_TURING[name]
        return {"fp16": half, "tf32": single, "fp32": single}[precision] * TERA
    return None
