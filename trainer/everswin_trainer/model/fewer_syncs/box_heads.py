"""Box heads that know from the sampler which boxes are positive."""

import warnings
from typing import Any

import torch
from mmdet.models.losses import accuracy
from mmdet.models.roi_heads.bbox_heads import ConvFCBBoxHead, Shared2FCBBoxHead
from mmdet.models.task_modules.coders import DeltaXYWHBBoxCoder
from mmdet.models.task_modules.samplers import SamplingResult
from mmdet.registry import MODELS, TASK_UTILS
from mmdet.structures.bbox import get_box_tensor
from mmengine.structures import InstanceData
from torch import Tensor

from everswin_trainer.model.fewer_syncs.sampling import count_given

# MMDetection copies the constants of a coder with new_tensor, which warns if they are tensors already.
warnings.filterwarnings("ignore", message="To copy construct from a tensor", module="mmdet")


@TASK_UTILS.register_module()
class FewerSyncsDeltaXYWHBBoxCoder(DeltaXYWHBBoxCoder):
    """Copies its means and standard deviations to the GPU once."""

    def encode(self, bboxes: Any, gt_bboxes: Any) -> Tensor:
        self._move_constants(get_box_tensor(bboxes).device)
        return super().encode(bboxes, gt_bboxes)

    def decode(self, bboxes: Any, pred_bboxes: Tensor, *args: Any, **settings: Any) -> Any:
        self._move_constants(pred_bboxes.device)
        return super().decode(bboxes, pred_bboxes, *args, **settings)

    def _move_constants(self, device: torch.device) -> None:
        # float64 holds Python's numbers exactly.
        self.means = torch.as_tensor(self.means, dtype=torch.float64, device=device)
        self.stds = torch.as_tensor(self.stds, dtype=torch.float64, device=device)


class FewerSyncsBoxHead:
    """Mixin: loss and refinement of BBoxHead, whose rows are the positives, then the negatives of each image."""

    def loss_and_target(
        self,
        cls_score: Tensor,
        bbox_pred: Tensor,
        rois: Tensor,
        sampling_results: list[SamplingResult],
        rcnn_train_cfg: Any,
        concat: bool = True,
        reduction_override: str | None = None,
    ) -> dict[str, Any]:
        if cls_score is None or bbox_pred is None or self.custom_activation or not concat:
            return super().loss_and_target(
                cls_score, bbox_pred, rois, sampling_results, rcnn_train_cfg, concat, reduction_override
            )
        targets = self.get_targets(sampling_results, rcnn_train_cfg)
        labels, label_weights, box_targets, box_weights = targets
        losses = {}
        if cls_score.numel() > 0:
            # All sampled boxes have a weight.
            average = float(max(len(labels), 1))
            loss = self.loss_cls(
                cls_score, labels, label_weights, avg_factor=average, reduction_override=reduction_override
            )
            losses.update(loss if isinstance(loss, dict) else {"loss_cls": loss})
            losses["acc"] = accuracy(cls_score, labels)
        positive = positive_rows(sampling_results, labels.device)
        if len(positive) == 0:
            losses["loss_bbox"] = bbox_pred[positive].sum()
            return {"loss_bbox": losses, "bbox_targets": targets}
        if self.reg_decoded_bbox:
            bbox_pred = get_box_tensor(self.bbox_coder.decode(rois[:, 1:], bbox_pred))
        if self.reg_class_agnostic:
            predicted = bbox_pred.view(len(bbox_pred), -1)[positive]
        else:
            predicted = bbox_pred.view(len(bbox_pred), self.num_classes, -1)[positive, labels[positive]]
        losses["loss_bbox"] = self.loss_bbox(
            predicted,
            box_targets[positive],
            box_weights[positive],
            avg_factor=len(box_targets),
            reduction_override=reduction_override,
        )
        return {"loss_bbox": losses, "bbox_targets": targets}

    def refine_bboxes(
        self, sampling_results: list[SamplingResult], bbox_results: dict[str, Any], batch_img_metas: list[dict]
    ) -> list[InstanceData] | None:
        scores = bbox_results["cls_score"]
        if self.custom_activation or scores.shape[-1] != self.num_classes + 1:
            return super().refine_bboxes(sampling_results, bbox_results, batch_img_metas)
        if scores.numel() == 0:
            return None
        labels = bbox_results["bbox_targets"][0]
        labels = torch.where(labels == self.num_classes, scores[:, :-1].argmax(1), labels)
        counts = [count(result) for result in sampling_results]
        rows = zip(
            *(one.split(counts) for one in (bbox_results["rois"], labels, bbox_results["bbox_pred"])),
            batch_img_metas,
            sampling_results,
            strict=True,
        )
        refined = []
        for rois, label, bbox_pred, meta, result in rows:
            boxes = self.regress_by_class(rois[:, 1:], label, bbox_pred, meta)
            # The next sampler adds the objects again.
            refined.append(InstanceData(bboxes=boxes[count_given(result) :]))
        return refined


def count(result: SamplingResult) -> int:
    return len(result.pos_priors) + len(result.neg_priors)


def positive_rows(results: list[SamplingResult], device: torch.device) -> Tensor:
    """Returns the rows of the positives in the boxes of all images."""
    rows, start = [], 0
    for result in results:
        rows.append(torch.arange(start, start + len(result.pos_priors), device=device))
        start += count(result)
    return torch.cat(rows)


@MODELS.register_module()
class FewerSyncsShared2FCBBoxHead(FewerSyncsBoxHead, Shared2FCBBoxHead):
    """Head of the blog recipes."""


@MODELS.register_module()
class FewerSyncsConvFCBBoxHead(FewerSyncsBoxHead, ConvFCBBoxHead):
    """Head of the paper recipes."""
