"""Assigns boxes to objects without a sync per object."""

from typing import Any

import torch
from mmdet.models.task_modules.assigners import AssignResult, BboxOverlaps2D, MaxIoUAssigner
from mmdet.registry import TASK_UTILS
from mmengine.structures import InstanceData
from torch import Tensor

# As in bbox_overlaps of MMDetection.
SMALLEST_UNION = 1e-6


@TASK_UTILS.register_module()
class FewerSyncsBboxOverlaps2D(BboxOverlaps2D):
    """Computes IoU and IoF of all pairs without a copy of its constant to the GPU."""

    def __call__(self, bboxes1: Any, bboxes2: Any, mode: str = "iou", is_aligned: bool = False) -> Tensor:
        is_plain = all(
            type(boxes) is Tensor and boxes.shape[1:] == (4,) and len(boxes) > 0 for boxes in (bboxes1, bboxes2)
        )
        if not is_plain or is_aligned or mode == "giou" or self.dtype is not None or bboxes1.dtype == torch.float16:
            return super().__call__(bboxes1, bboxes2, mode, is_aligned)
        area1, area2 = ((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]) for boxes in (bboxes1, bboxes2))
        near = torch.max(bboxes1[:, None, :2], bboxes2[None, :, :2])
        far = torch.min(bboxes1[:, None, 2:], bboxes2[None, :, 2:])
        sides = (far - near).clamp(min=0)
        overlap = sides[..., 0] * sides[..., 1]
        union = area1[:, None] + area2[None, :] - overlap if mode == "iou" else area1[:, None]
        return overlap / union.clamp(min=SMALLEST_UNION)


@TASK_UTILS.register_module()
class FewerSyncsMaxIoUAssigner(MaxIoUAssigner):
    """Assigns all boxes at once. The loop over the objects becomes the last object, by index, that claims a box."""

    def __init__(self, *args: Any, iou_calculator: dict[str, Any] | None = None, **settings: Any) -> None:
        iou_calculator = iou_calculator or {"type": "FewerSyncsBboxOverlaps2D"}
        super().__init__(*args, iou_calculator=iou_calculator, **settings)

    def assign_allowed(self, priors: Tensor, allowed: Tensor, objects: InstanceData) -> AssignResult:
        """Assigns the boxes where `allowed` is true, and marks the others as ignored (-1)."""
        overlaps = self.iou_calculator(objects.bboxes, priors).masked_fill(~allowed, -1)
        result = self.assign_wrt_overlaps(overlaps, objects.labels)
        result.gt_inds = result.gt_inds.masked_fill(~allowed, -1)
        return result

    @property
    def uses_overlaps_only(self) -> bool:
        """Returns whether an assignment depends on nothing but the overlaps with the objects."""
        return self.ignore_iof_thr <= 0 and self.gpu_assign_thr <= 0 and self.perm_repeat_gt_cfg is None

    def assign_wrt_overlaps(self, overlaps: Tensor, gt_labels: Tensor) -> AssignResult:
        """Returns the assignment for overlaps (objects, boxes): -1 ignored, 0 background, otherwise 1 + object."""
        objects, boxes = overlaps.shape
        is_supported = self.gt_max_assign_all and isinstance(self.neg_iou_thr, float | tuple)
        if objects == 0 or boxes == 0 or not is_supported:
            return super().assign_wrt_overlaps(overlaps, gt_labels)
        max_overlaps, nearest = overlaps.max(dim=0)
        low, high = (0, self.neg_iou_thr) if isinstance(self.neg_iou_thr, float) else self.neg_iou_thr
        is_background = (max_overlaps >= low) & (max_overlaps < high)
        # Zeros and minus ones.
        assigned = is_background.long() - 1
        assigned = torch.where(max_overlaps >= self.pos_iou_thr, nearest + 1, assigned)
        if self.match_low_quality:
            best = overlaps.amax(dim=1, keepdim=True)
            claims = (overlaps == best) & (best >= self.min_pos_iou)
            numbers = torch.arange(1, objects + 1, dtype=torch.int32, device=overlaps.device)
            last = (claims * numbers[:, None]).amax(dim=0)
            assigned = torch.where(last > 0, last.long(), assigned)
        labels = torch.where(assigned > 0, gt_labels[(assigned - 1).clamp(min=0)], -1)
        return AssignResult(num_gts=objects, gt_inds=assigned, max_overlaps=max_overlaps, labels=labels)
