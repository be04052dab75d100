"""Exports a detector/ folder to ONNX with a graph of our own, and compares onnxruntime with MMDetection.

`PYTHONPATH=trainer .everswin/tools/trainer-env/bin/python test/bench/onnx_graph.py DETECTOR FOLDER IMAGE…` needs the
packages onnx and onnxruntime, which setup does not install. MMDetection's own forward cannot be exported
(docs/detector.md). This graph calls the same layers, and replaces what depends on data: it pools from every level, and
selects afterwards. It is valid for one input size, and leaves masks in their boxes.
"""

import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn
from torchvision.ops import nms, roi_align

from everswin_trainer.detector.loaded_detector import LoadedDetector
from everswin_trainer.model import mmcv_ops

mmcv_ops.install()

from mmdet.models.task_modules.coders.delta_xywh_bbox_coder import delta2bbox  # noqa: E402  (imports mmcv.ops)

OUTPUTS = ["boxes", "scores", "labels", "masks"]


class Graph(nn.Module):
    """Cascade Mask R-CNN for one image of a fixed size. `size` is (height, width) without padding."""

    def __init__(self, model: Any, size: tuple[int, int]) -> None:
        super().__init__()
        self.model, self.size = model, size

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Returns boxes (N, 4), scores (N,), labels (N,) and mask probabilities (N, 28, 28) of a normalized image."""
        features, head = self.model.extract_feat(image), self.model.roi_head
        rois, logits = as_rois(self.propose(features)), []
        for stage in range(head.num_stages):
            box_head = head.bbox_head[stage]
            classes, deltas = box_head(pool(head.bbox_roi_extractor[stage], features, rois))
            logits.append(classes)
            if stage < head.num_stages - 1:
                if not box_head.reg_class_agnostic:
                    best = classes[:, :-1].argmax(1)
                    deltas = deltas.view(deltas.shape[0], -1, 4)[torch.arange(deltas.shape[0]), best]
                rois = as_rois(self.decode(box_head.bbox_coder, rois[:, 1:], deltas))
        scores = (sum(logits) / head.num_stages).softmax(-1)[:, :-1]
        boxes = self.decode(head.bbox_head[-1].bbox_coder, rois[:, 1:], deltas)
        boxes, scores, labels = self.select(boxes, scores)
        masks = [
            mask_head(pool(head.mask_roi_extractor[stage], features, as_rois(boxes))).sigmoid()
            for stage, mask_head in enumerate(head.mask_head)
        ]
        mean = sum(masks) / len(masks)
        return boxes, scores, labels, mean[torch.arange(mean.shape[0]), labels]

    def propose(self, features: tuple[Tensor, ...]) -> Tensor:
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
            boxes.append(self.decode(head.bbox_coder, anchors, delta))
            scores.append(score)
            levels.append(torch.full((kept,), float(level)))
        box, score, level = torch.cat(boxes), torch.cat(scores), torch.cat(levels)
        wide = (box[:, 2:] - box[:, :2] > settings.min_bbox_size).all(1).nonzero()[:, 0]
        return box[wide][suppress(box[wide], score[wide], level[wide], settings)]

    def select(self, boxes: Tensor, scores: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Returns the detections that reach the threshold of the model, best first."""
        settings, classes = self.model.test_cfg.rcnn, scores.shape[1]
        boxes = boxes.view(boxes.shape[0], -1, 4).expand(-1, classes, 4).reshape(-1, 4)
        labels = torch.arange(classes).repeat(scores.shape[0])
        kept = (scores.reshape(-1) > settings.score_thr).nonzero()[:, 0]
        boxes, scores, labels = boxes[kept], scores.reshape(-1)[kept], labels[kept]
        best = suppress(boxes, scores, labels.to(boxes), settings)
        return boxes[best], scores[best], labels[best]

    def decode(self, coder: Any, boxes: Tensor, deltas: Tensor) -> Tensor:
        # Not coder.decode: during an export, it imports mmdet.core, which MMDetection 3 removed.
        return delta2bbox(boxes, deltas, coder.means, coder.stds, self.size, 16 / 1000, coder.clip_border)


def as_rois(boxes: Tensor) -> Tensor:
    return torch.cat([boxes.new_zeros(boxes.shape[0], 1), boxes], 1)


def suppress(boxes: Tensor, scores: Tensor, groups: Tensor, settings: Any) -> Tensor:
    """Returns the boxes that non-maximum suppression within each group keeps. Groups are moved apart, as in mmcv."""
    apart = boxes + (groups * (boxes.max() + 1))[:, None]
    return nms(apart, scores, settings.nms.iou_threshold)[: settings.max_per_img]


def pool(extractor: Any, features: tuple[Tensor, ...], rois: Tensor) -> Tensor:
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


def main(detector: Path, into: Path, images: list[Path]) -> None:
    loaded = LoadedDetector(detector / "config.py", detector / "model.pth", "cpu")
    model, sessions, worst, count = loaded._model, {}, dict.fromkeys(OUTPUTS, 0.0), 0
    into.mkdir(parents=True, exist_ok=True)
    for image in images:
        data = loaded._pipeline({"img": cv2.imread(str(image)), "img_id": 0})
        batch = {"inputs": [data["inputs"]], "data_samples": [data["data_samples"]]}
        batch = model.data_preprocessor(batch, False)
        inputs, size = batch["inputs"], tuple(batch["data_samples"][0].img_shape)
        graph = Graph(model, size).eval()
        with torch.no_grad():
            if size not in sessions:
                path = str(into / f"model-{size[0]}x{size[1]}.onnx")
                names = {"input_names": ["image"], "output_names": OUTPUTS}
                torch.onnx.export(graph, (inputs,), path, dynamo=False, opset_version=18, **names)
                sessions[size] = onnxruntime.InferenceSession(path)
            found = model.predict(inputs, batch["data_samples"], rescale=False)[0].pred_instances
            expected = [found.bboxes, found.scores, found.labels, graph(inputs)[3]]
        actual = sessions[size].run(None, {"image": inputs.numpy()})
        assert actual[2].tolist() == expected[2].tolist(), f"{image}: other detections"
        count += len(found)
        for name, ours, theirs in zip(OUTPUTS, actual, expected, strict=True):
            worst[name] = max(worst[name], float(np.abs(ours - theirs.numpy()).max(initial=0)))
    print(f"{len(images)} images, {count} detections, largest differences: {worst}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), [Path(name) for name in sys.argv[3:]])
