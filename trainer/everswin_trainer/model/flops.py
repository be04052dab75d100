"""Counts the floating-point operations of training steps from the shapes that a detector sees, without running them.

torch's FlopCounterMode counts a step by running each operation through Python, and it misses compiled code and some
attention kernels. So it runs once, forward and backward, on a copy of the model without data (device "meta"): one image
through backbone, neck and RPN, and one RoI through each head. Each step then only multiplies: the operations grow with
the padded pixels and with the RoIs of each head. That reads shapes, so it changes no bit of the training.

As usual for the model FLOPs utilization (MFU), the count contains matrix products and convolutions, a multiply-add is
two operations, and the operations of other implementations (compiled, fused attention, recomputed) are the same.
docs/explanation/speed.md states how far it is from the count of complete steps.
"""

import copy
import math
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any

import torch
from mmdet.models.detectors import TwoStageDetector
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.flop_counter import FlopCounterMode

# Height and width of the image that is counted: COCO's most frequent shape at the largest scale of the recipes.
# Windows of 7 x 7 do not divide every image, so the operations of a pixel depend on the size by a few percent.
IMAGE_SIZE = 800, 1344


class FlopCounter:
    """Counts the FLOPs of the forward and backward passes of a detector in training mode since the last `take`."""

    def __init__(self, detector: torch.nn.Module, image_size: tuple[int, int] = IMAGE_SIZE) -> None:
        """Watches `detector`, whose speed switches may be on. Takes about a second."""
        if not isinstance(detector, TwoStageDetector):
            raise TypeError(f"expected a two-stage detector to count its FLOPs, got {type(detector).__name__}")
        self._total = 0.0
        meta = without_data(detector)
        per_pixel = count_image(meta, image_size) / math.prod(image_size)
        self._watch(detector.backbone, per_pixel, lambda images: images.numel() // images.shape[1])
        for (head, _), (meta_head, roi) in zip(roi_heads(detector), roi_heads(meta), strict=True):
            self._watch(head, count(meta_head, roi), len)

    def take(self) -> float:
        """Returns the FLOPs since the last call, of this process."""
        total, self._total = self._total, 0.0
        return total

    def _watch(self, module: torch.nn.Module, flops: float, units: Callable[[Tensor], int]) -> None:
        """Adds `flops` for each unit of the input of `module`."""

        def add(_module: torch.nn.Module, inputs: tuple[Any, ...]) -> None:
            # A copy without data, of another counter, keeps this hook.
            if module.training and not inputs[0].is_meta:
                self._total += flops * units(inputs[0])

        module.register_forward_pre_hook(add)


def without_data(model: torch.nn.Module) -> torch.nn.Module:
    """Returns a copy of `model` in training mode that has shapes only."""
    weights = {id(one): torch.nn.Parameter(one.detach().to("meta"), one.requires_grad) for one in model.parameters()}
    buffers = {id(one): one.to("meta") for one in model.buffers()}
    meta = copy.deepcopy(model, {**weights, **buffers}).train()
    for module in meta.modules():
        if isinstance(module, _BatchNorm):
            # SyncBN would exchange statistics between the ranks.
            module.eval()
    return meta


def count_image(meta: TwoStageDetector, size: tuple[int, int]) -> int:
    """Returns the FLOPs of one image outside of the RoI heads."""
    return count(lambda image: meta.rpn_head(meta.extract_feat(image)), torch.empty(1, 3, *size, device="meta"))


def roi_heads(detector: TwoStageDetector) -> Iterator[tuple[torch.nn.Module, Tensor]]:
    """Yields each box and mask head with the features of one RoI."""
    roi = detector.roi_head
    kinds = [(roi.bbox_head, roi.bbox_roi_extractor), (roi.mask_head, roi.mask_roi_extractor)]
    for heads, extractors in kinds if roi.with_mask else kinds[:1]:
        for head, extractor in zip(stages(heads), stages(extractors), strict=True):
            size = extractor.roi_layers[0].output_size
            yield head, torch.empty(1, extractor.out_channels, *size, device="meta", requires_grad=True)


def stages(part: torch.nn.Module) -> list[torch.nn.Module]:
    """Returns the stages of a cascade, or the only one."""
    return list(part) if isinstance(part, torch.nn.ModuleList) else [part]


def count(forward: Callable[[Tensor], Any], inputs: Tensor) -> int:
    """Returns the FLOPs of `forward` and of the backward pass from all its outputs."""
    with FlopCounterMode(display=False) as counter:
        torch.autograd.backward([output.sum() for output in tensors(forward(inputs))])
    return counter.get_total_flops()


def tensors(outputs: Any) -> Iterable[Tensor]:
    return [outputs] if isinstance(outputs, Tensor) else chain.from_iterable(map(tensors, outputs))
