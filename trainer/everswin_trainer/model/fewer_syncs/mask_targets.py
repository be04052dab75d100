"""Crops the masks of the objects on the GPU, to which they are copied once."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from mmcv.ops import roi_align
from mmdet.models.data_preprocessors import DetDataPreprocessor
from mmdet.models.roi_heads.mask_heads import FCNMaskHead
from mmdet.models.task_modules.samplers import SamplingResult
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.structures import InstanceData
from torch import Tensor
from torch.nn.modules.utils import _pair


class PaddedMasks(BitmapMasks):
    """Masks that are padded where they are used: on the GPU for mask targets, in NumPy for MMDetection's other code."""

    def __init__(self, masks: BitmapMasks, shape: tuple[int, int], padding: int) -> None:
        # Not the constructor of BitmapMasks, which stores an array.
        self.height, self.width = shape
        self._unpadded, self._padding = masks, padding
        self._on_device: Tensor | None = None

    @cached_property
    def masks(self) -> np.ndarray:
        return self._unpadded.pad((self.height, self.width), self._padding).masks

    def on(self, device: torch.device) -> Tensor:
        """Returns the masks, uint8 (objects, height, width). Only the first call copies."""
        if self._on_device is None:
            on_host = torch.from_numpy(np.ascontiguousarray(self._unpadded.masks))
            # A copy from memory that is not pinned may wait for the GPU.
            on_host = on_host.pin_memory() if device.type == "cuda" else on_host
            small = on_host.to(device, non_blocking=True)
            padded = small.new_full((len(small), self.height, self.width), self._padding)
            padded[:, : small.shape[1], : small.shape[2]] = small
            self._on_device = padded
        return self._on_device


@MODELS.register_module()
class FewerSyncsDetDataPreprocessor(DetDataPreprocessor):
    """Copies a batch to the GPU without waiting, and leaves the padding of its masks to PaddedMasks."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **{**settings, "non_blocking": True})

    def pad_gt_masks(self, batch_data_samples: Sequence[DetDataSample]) -> None:
        for sample in batch_data_samples:
            masks = sample.gt_instances.get("masks")
            if type(masks) is BitmapMasks:
                sample.gt_instances.masks = PaddedMasks(masks, sample.batch_input_shape, self.mask_pad_value)
            elif masks is not None:
                super().pad_gt_masks([sample])


@MODELS.register_module()
class FewerSyncsFCNMaskHead(FCNMaskHead):
    """Pools each box from the mask of its object by index, where MMDetection copies a mask for each box."""

    def get_targets(
        self, sampling_results: list[SamplingResult], batch_gt_instances: list[InstanceData], rcnn_train_cfg: Any
    ) -> Tensor:
        masks = [objects.masks for objects in batch_gt_instances]
        if not all(isinstance(one, PaddedMasks) for one in masks):
            return super().get_targets(sampling_results, batch_gt_instances, rcnn_train_cfg)
        size, is_soft = _pair(rcnn_train_cfg.mask_size), rcnn_train_cfg.get("soft_mask_target", False)
        rows = zip(sampling_results, masks, strict=True)
        return torch.cat(
            [crop(one, result.pos_priors, result.pos_assigned_gt_inds, size, is_soft) for result, one in rows]
        )


def crop(masks: PaddedMasks, boxes: Tensor, objects: Tensor, size: tuple[int, int], is_soft: bool) -> Tensor:
    """Returns the masks of `objects` in `boxes`, resized to `size`, as mask_target_single of MMDetection."""
    if len(boxes) == 0:
        return boxes.new_zeros((0, *size))
    limits = (masks.width, masks.height)
    clipped = [boxes[:, side].clamp(0, limits[side % 2]) for side in range(4)]
    rois = torch.stack([objects.to(boxes.dtype), *clipped], dim=1)
    values = masks.on(boxes.device)[:, None].to(boxes.dtype)
    pooled = roi_align(values, rois, size, 1.0, 0, "avg", True).squeeze(1)
    return pooled.float() if is_soft else (pooled >= 0.5).float()
