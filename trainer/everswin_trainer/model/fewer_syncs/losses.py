"""Losses that do not read their targets on the host."""

from typing import Any

import torch
from mmdet.models.losses import CrossEntropyLoss, SmoothL1Loss, smooth_l1_loss
from mmdet.models.losses.cross_entropy_loss import binary_cross_entropy
from mmdet.registry import MODELS
from torch import Tensor

# As in binary_cross_entropy of MMDetection.
DEFAULT_IGNORE_INDEX = -100


@MODELS.register_module()
class FewerSyncsSmoothL1Loss(SmoothL1Loss):
    """Computes the sum also if all weights are 0. Then it is 0, as are its gradients."""

    def forward(
        self,
        pred: Tensor,
        target: Tensor,
        weight: Tensor | None = None,
        avg_factor: float | None = None,
        reduction_override: str | None = None,
    ) -> Tensor:
        reduction = reduction_override or self.reduction
        loss = smooth_l1_loss(pred, target, weight, beta=self.beta, reduction=reduction, avg_factor=avg_factor)
        return self.loss_weight * loss


@MODELS.register_module()
class FewerSyncsCrossEntropyLoss(CrossEntropyLoss):
    """Expands labels for the sigmoid loss by comparison instead of by index."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        if self.use_sigmoid and not self.avg_non_ignore:
            self.cls_criterion = expanding_binary_cross_entropy


def expanding_binary_cross_entropy(
    pred: Tensor,
    label: Tensor,
    weight: Tensor | None = None,
    ignore_index: int | None = None,
    **settings: Any,
) -> Tensor:
    if pred.dim() != label.dim():
        is_valid = ((label >= 0) & (label != (DEFAULT_IGNORE_INDEX if ignore_index is None else ignore_index)))[:, None]
        classes = torch.arange(pred.shape[-1], device=label.device)
        weights = is_valid.float().expand_as(pred)
        weight = weights if weight is None else weight[:, None] * weights
        label = ((label[:, None] == classes) & is_valid).long()
        # Ignored labels are background with weight 0 from here on.
        ignore_index = None
    return binary_cross_entropy(pred, label, weight, ignore_index=ignore_index, **settings)
