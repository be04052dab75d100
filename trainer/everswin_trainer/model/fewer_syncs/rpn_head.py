"""RPN targets for all anchors at once, without compaction to those inside the image."""

from typing import Any

import torch
from mmdet.models.dense_heads import RPNHead
from mmdet.models.task_modules.prior_generators import AnchorGenerator, anchor_inside_flags
from mmdet.registry import MODELS, TASK_UTILS
from mmdet.structures.bbox import get_box_wh
from mmengine.structures import InstanceData
from torch import Tensor

from everswin_trainer.model.fewer_syncs.assigning import FewerSyncsMaxIoUAssigner


@TASK_UTILS.register_module()
class FewerSyncsAnchorGenerator(AnchorGenerator):
    """Copies its base anchors to the GPU once."""

    def grid_priors(
        self, featmap_sizes: list[tuple], dtype: torch.dtype = torch.float32, device: Any = "cuda"
    ) -> list[Tensor]:
        self.base_anchors = [anchors.to(device) for anchors in self.base_anchors]
        return super().grid_priors(featmap_sizes, dtype, device)


@MODELS.register_module()
class FewerSyncsRPNHead(RPNHead):
    """Ignores anchors outside the image instead of removing them, so that no size depends on the data."""

    def _bbox_post_process(
        self, results: InstanceData, cfg: Any, rescale: bool = False, with_nms: bool = True, img_meta: Any = None
    ) -> InstanceData:
        """Removes small boxes by index, with one sync instead of one per field."""
        smallest = cfg.get("min_bbox_size", -1)
        if smallest >= 0 and not rescale:
            width, height = get_box_wh(results.bboxes)
            results = results[((width > smallest) & (height > smallest)).nonzero().squeeze(1)]
            # A copy of the recipe's.
            cfg.min_bbox_size = -1
        return super()._bbox_post_process(results, cfg, rescale, with_nms, img_meta)

    def _get_targets_single(
        self,
        flat_anchors: Tensor,
        valid_flags: Tensor,
        gt_instances: InstanceData,
        img_meta: dict[str, Any],
        gt_instances_ignore: InstanceData | None = None,
        unmap_outputs: bool = True,
    ) -> tuple:
        is_supported = isinstance(self.assigner, FewerSyncsMaxIoUAssigner) and self.assigner.uses_overlaps_only
        if not is_supported or type(flat_anchors) is not Tensor or not unmap_outputs or self.reg_decoded_bbox:
            return super()._get_targets_single(
                flat_anchors, valid_flags, gt_instances, img_meta, gt_instances_ignore, unmap_outputs
            )
        border = self.train_cfg["allowed_border"]
        inside = anchor_inside_flags(flat_anchors, valid_flags, img_meta["img_shape"][:2], border)
        inside = inside.bool()
        assigned = self.assigner.assign_allowed(flat_anchors, inside, gt_instances)
        sampled = self.sampler.sample(assigned, InstanceData(priors=flat_anchors), gt_instances)
        positive, negative = sampled.pos_inds, sampled.neg_inds
        if len(positive) + len(negative) == 0 and not inside.any():
            raise ValueError(f"expected an anchor inside the image, got none in {img_meta['img_shape']}")
        labels = flat_anchors.new_full((len(flat_anchors),), self.num_classes, dtype=torch.long)
        label_weights = flat_anchors.new_zeros(len(flat_anchors))
        bbox_targets, bbox_weights = torch.zeros_like(flat_anchors), torch.zeros_like(flat_anchors)
        if len(positive) > 0:
            bbox_targets[positive] = self.bbox_coder.encode(sampled.pos_priors, sampled.pos_gt_bboxes)
            bbox_weights[positive] = 1.0
            labels[positive] = sampled.pos_gt_labels
            weight = self.train_cfg["pos_weight"]
            label_weights[positive] = 1.0 if weight <= 0 else weight
        if len(negative) > 0:
            label_weights[negative] = 1.0
        return labels, label_weights, bbox_targets, bbox_weights, positive, negative, sampled
