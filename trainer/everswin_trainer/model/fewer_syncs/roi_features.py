"""Pools the features of boxes with one copy from the GPU per call instead of one per level."""

import torch
from mmdet.models.roi_heads.roi_extractors import SingleRoIExtractor
from mmdet.registry import MODELS
from torch import Tensor


@MODELS.register_module()
class FewerSyncsSingleRoIExtractor(SingleRoIExtractor):
    """Sorts the boxes by level and reads only the number of boxes of each."""

    def forward(self, feats: tuple[Tensor, ...], rois: Tensor, roi_scale_factor: float | None = None) -> Tensor:
        if len(feats) == 1:
            return super().forward(feats, rois, roi_scale_factor)
        rois = rois.type_as(feats[0])
        pooled = feats[0].new_zeros(len(rois), self.out_channels, *self.roi_layers[0].output_size)
        levels = self.map_roi_levels(rois, len(feats))
        if roi_scale_factor is not None:
            rois = self.roi_rescale(rois, roi_scale_factor)
        counts = (levels[:, None] == torch.arange(len(feats), device=levels.device)).sum(0).tolist()
        # Stable, so that the boxes of a level keep their order, and their gradients the order of the sum.
        rows_of_levels = levels.argsort(stable=True).split(counts)
        for features, layer, rows in zip(feats, self.roi_layers, rows_of_levels, strict=True):
            if len(rows) > 0:
                pooled[rows] = layer(features, rois[rows])
            else:
                # DDP needs a gradient for each level, even if it is 0.
                pooled += sum(one.view(-1)[0] for one in self.parameters()) * 0.0 + features.sum() * 0.0
        return pooled
