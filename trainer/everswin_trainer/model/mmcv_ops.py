"""Provides the two compiled mmcv ops that Cascade Mask R-CNN needs, with torchvision's kernels.

mmcv from PyPI has no compiled module `mmcv._ext`, and building it takes a CUDA toolkit and many minutes. torchvision's
wheel already has the same `nms` and `roi_align` for CPU and CUDA, so `install()` adds a replacement for `mmcv._ext`
to `sys.modules`. Signatures and out-parameters follow mmcv/ops/nms.py and mmcv/ops/roi_align.py of onedl-mmcv 2.3.6.

An exported detector contains this file, so it imports nothing of this project.
"""

import importlib.util
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import NoReturn

import torch
import torchvision  # noqa: F401  (registers torch.ops.torchvision)
from torch import Tensor

_NAME = "mmcv._ext"


def install() -> None:
    """Makes `import mmdet` work without compiled ops.

    Keeps a compiled `mmcv._ext`. Must run before anything imports mmdet or `mmcv.ops`. Safe to call again.
    """
    # Also finds the replacement of an earlier call, because it has a spec.
    if importlib.util.find_spec(_NAME) is None:
        sys.modules[_NAME] = _Replacement()


class _Replacement(ModuleType):
    """A module in which every name resolves, because mmcv asserts at import that all ops exist; missing ops raise."""

    def __init__(self) -> None:
        super().__init__(_NAME, "Replacement for mmcv's compiled ops: nms and roi_align from torchvision.")
        # mmengine asks importlib for this module's spec, which fails on a module without one.
        self.__spec__ = ModuleSpec(_NAME, loader=None, origin=__name__)
        self.nms = nms
        self.roi_align_forward = roi_align_forward
        self.roi_align_backward = roi_align_backward

    def __getattr__(self, name: str) -> Callable[..., NoReturn]:
        if name.startswith("_"):
            raise AttributeError(name)

        def missing_op(*_args: object, **_kwargs: object) -> NoReturn:
            raise _not_available(name)

        return missing_op


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int) -> Tensor:
    """Performs greedy non-maximum suppression.

    boxes: (N, 4) as x1, y1, x2, y2 in pixels; scores: (N,). A width is x2 - x1 + offset; 1 counts both end pixels.
    Returns the kept indices, int64 (K,), by descending score.
    """
    # Moving the far corner by `offset` adds it to every width, height and overlap: exactly mmcv's own arithmetic.
    corners = boxes + boxes.new_tensor([0, 0, offset, offset]) if offset else boxes
    # torchvision wants one dtype; under mixed precision boxes and scores may differ.
    dtype = _wide(boxes)
    return torch.ops.torchvision.nms(corners.to(dtype), scores.to(dtype), iou_threshold)


def roi_align_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Fills `output` (K, C, aligned_height, aligned_width) from `input` (N, C, H, W).

    rois: (K, 5) as image index, x1, y1, x2, y2 in pixels; `spatial_scale` maps them to the feature map.
    pool_mode: 0 max, 1 average; only average is supported. argmax_y and argmax_x belong to max mode and are not used.
    """
    _require_average(pool_mode, "roi_align_forward")
    dtype = _wide(input)
    pooled = torch.ops.torchvision.roi_align(
        input.to(dtype),
        rois.to(dtype),
        spatial_scale,
        aligned_height,
        aligned_width,
        sampling_ratio,
        aligned,
    )
    output.copy_(pooled)


def roi_align_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    grad_input: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Fills `grad_input` (N, C, H, W) from `grad_output` (K, C, aligned_height, aligned_width)."""
    _require_average(pool_mode, "roi_align_backward")
    dtype = _wide(grad_output)
    grad = torch.ops.torchvision._roi_align_backward(
        grad_output.to(dtype),
        rois.to(dtype),
        spatial_scale,
        aligned_height,
        aligned_width,
        *grad_input.shape,
        sampling_ratio,
        aligned,
    )
    grad_input.copy_(grad)


def _wide(tensor: Tensor) -> torch.dtype:
    """Returns float32 for half precision, in which gradient sums lose accuracy and bfloat16 has no kernel."""
    return torch.float64 if tensor.dtype == torch.float64 else torch.float32


def _require_average(pool_mode: int, op: str) -> None:
    if pool_mode != 1:
        raise _not_available(f"{op} with pool_mode='max'")


def _not_available(op: str) -> RuntimeError:
    return RuntimeError(
        f"mmcv op '{op}' is not available: mmcv is installed without compiled ops, and everswin supplies only nms and "
        "roi_align (average mode) from torchvision. What to do: use a recipe without this op, or build mmcv with "
        "MMCV_WITH_OPS=1; a compiled mmcv._ext takes precedence."
    )
