"""Cascade Mask R-CNN as one graph that ONNX can express.

MMDetection's own forward cannot be exported (docs/how-to/use-the-weights.md). This graph calls the same layers, and
replaces what depends on data: it pools from every level and selects afterwards, and leaves masks in their boxes.
Swin's window masks are constants of the trace, so a graph is valid for one input size.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.ops import nms, roi_align

INPUTS = {
    "image": "float32 (1, 3, height, width): the picture, normalized, then padded with 0 at the right and the bottom",
    "size": "float32 (2): height and width of the picture without padding",
}
OUTPUTS = {
    "boxes": "float32 (N, 4): x1, y1, x2, y2 in pixels of the input",
    "scores": "float32 (N): best first",
    "labels": "int64 (N): index into classes",
    "masks": "float32 (N, height, width): probability that a pixel of the box belongs to the object, cut at 0.5",
}


class OnnxGraph(nn.Module):
    """Predicts one image of a fixed size with the layers of `model`, a CascadeRCNN of MMDetection with masks."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: Tensor, size: Tensor) -> tuple[Tensor, ...]:
        """Returns OUTPUTS."""
        features, head = self.model.extract_feat(image), self.model.roi_head
        rois, logits = _as_rois(self._propose(features, size)), []
        for stage, box_head in enumerate(head.bbox_head):
            classes, deltas = box_head(_pool(head.bbox_roi_extractor[stage], features, rois))
            logits.append(classes)
            if stage < head.num_stages - 1:
                if not box_head.reg_class_agnostic:
                    deltas = _select_class(_by_class(deltas), classes[:, :-1].argmax(1))
                rois = _as_rois(_decode(box_head.bbox_coder, rois[:, 1:], deltas, size))
        scores = (sum(logits) / head.num_stages).softmax(-1)[:, :-1]
        boxes, scores, labels = self._detect(_decode(head.bbox_head[-1].bbox_coder, rois[:, 1:], deltas, size), scores)
        masks = [
            mask_head(_pool(head.mask_roi_extractor[stage], features, _as_rois(boxes))).sigmoid()
            for stage, mask_head in enumerate(head.mask_head)
        ]
        agnostic = head.mask_head[-1].class_agnostic
        return boxes, scores, labels, _select_class(sum(masks) / len(masks), labels * 0 if agnostic else labels)

    def _propose(self, features: tuple[Tensor, ...], size: Tensor) -> Tensor:
        """Returns the RPN's proposals, best first."""
        head, settings = self.model.rpn_head, self.model.test_cfg.rpn
        maps = list(zip(*head(features), strict=True))
        priors = head.prior_generator.grid_priors([objects.shape[-2:] for objects, _ in maps], device="cpu")
        boxes, scores, levels = [], [], []
        for level, ((objects, deltas), anchors) in enumerate(zip(maps, priors, strict=True)):
            score = objects[0].permute(1, 2, 0).reshape(-1).sigmoid()
            delta = deltas[0].permute(1, 2, 0).reshape(-1, 4)
            kept = min(len(anchors), settings.nms_pre)
            if kept < len(anchors):
                score, order = score.topk(kept)
                delta, anchors = delta[order], anchors[order]
            boxes.append(_decode(head.bbox_coder, anchors, delta, size))
            scores.append(score)
            levels.append(torch.full((kept,), float(level)))
        box, score, level = torch.cat(boxes), torch.cat(scores), torch.cat(levels)
        wide = (box[:, 2:] - box[:, :2] > settings.get("min_bbox_size", -1)).all(1).nonzero()[:, 0]
        return box[wide][_suppress(box[wide], score[wide], level[wide], settings)]

    def _detect(self, boxes: Tensor, scores: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Returns the detections that reach the threshold of the model, best first."""
        settings, classes = self.model.test_cfg.rcnn, scores.shape[1]
        boxes = _by_class(boxes).expand(-1, classes, 4).reshape(-1, 4)
        labels = torch.arange(classes).repeat(scores.shape[0])
        kept = (scores.reshape(-1) > settings.score_thr).nonzero()[:, 0]
        boxes, scores, labels = boxes[kept], scores.reshape(-1)[kept], labels[kept]
        best = _suppress(boxes, scores, labels.to(boxes), settings)
        return boxes[best], scores[best], labels[best]


def explain_unsupported(model: Any) -> str | None:
    """Returns why OnnxGraph cannot express a model, or None."""
    kind = type(model).__name__
    if kind != "CascadeRCNN":
        return f"its model is {kind}, and only CascadeRCNN can be exported"
    if not model.roi_head.with_mask:
        return "its model has no mask head"
    for name in ("rpn", "rcnn"):
        settings = model.test_cfg[name].nms
        others = {key: value for key, value in settings.items() if key not in ("iou_threshold", "split_thr")}
        if others != {"type": "nms"}:
            return f"its test_cfg.{name}.nms is {dict(settings)}, and only a plain nms can be exported"
    return None


def _as_rois(boxes: Tensor) -> Tensor:
    return torch.cat([boxes.new_zeros(boxes.shape[0], 1), boxes], 1)


def _by_class(values: Tensor) -> Tensor:
    """Returns (N, classes, 4) of (N, classes * 4). ONNX cannot infer the classes where N is 0."""
    return values.view(-1, values.shape[1] // 4, 4)


def _select_class(values: Tensor, labels: Tensor) -> Tensor:
    """Returns values[i, labels[i]] of each i."""
    return values[torch.arange(values.shape[0]), labels]


def _decode(coder: Any, boxes: Tensor, deltas: Tensor, size: Tensor) -> Tensor:
    """Moves boxes (N, 4) by deltas (N, classes * 4), as delta2bbox of MMDetection.

    During an export, MMDetection's own function imports mmdet.core, which MMDetection 3 removed, or fails at 0 boxes.
    """
    deltas = _by_class(deltas) * torch.tensor(coder.stds) + torch.tensor(coder.means)
    limit = abs(math.log(16 / 1000))
    first, last = boxes[:, None, :2], boxes[:, None, 2:]
    shift, scale = deltas[..., :2] * (last - first), deltas[..., 2:]
    if coder.add_ctr_clamp:
        shift, scale = shift.clamp(-coder.ctr_clamp, coder.ctr_clamp), scale.clamp(max=limit)
    else:
        scale = scale.clamp(-limit, limit)
    center, half = (first + last) * 0.5 + shift, (last - first) * scale.exp() * 0.5
    first, last = center - half, center + half
    if coder.clip_border:
        border = size.flip(0)
        first, last = (torch.minimum(corner.clamp(min=0), border) for corner in (first, last))
    return torch.cat([first, last], 2).view(-1, deltas.shape[1] * 4)


def _suppress(boxes: Tensor, scores: Tensor, groups: Tensor, settings: Any) -> Tensor:
    """Returns the boxes that non-maximum suppression within each group keeps. Groups are moved apart, as in mmcv."""
    # The added 0 gives a maximum also where there is no box.
    farthest = torch.cat([boxes.reshape(-1), boxes.new_zeros(1)]).max()
    apart = boxes + (groups * (farthest + 1))[:, None]
    return nms(apart, scores, settings.nms.iou_threshold)[: settings.max_per_img]


def _pool(extractor: Any, features: tuple[Tensor, ...], rois: Tensor) -> Tensor:
    """Pools each region from the level of its size. Computes all levels, since a branch would be fixed by the trace."""
    size = torch.sqrt((rois[:, 3] - rois[:, 1]) * (rois[:, 4] - rois[:, 2]))
    level = torch.floor(torch.log2(size / extractor.finest_scale + 1e-6)).clamp(0, len(extractor.roi_layers) - 1)
    pooled = [
        roi_align(
            features[index], rois, layer.output_size, layer.spatial_scale, layer.sampling_ratio or -1, layer.aligned
        )
        * (level == index)[:, None, None, None]
        for index, layer in enumerate(extractor.roi_layers)
    ]
    return sum(pooled)
