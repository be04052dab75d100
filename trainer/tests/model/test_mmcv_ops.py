"""Compares the replacement for mmcv's compiled ops with slow reference implementations."""

import math
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

import pytest
import torch
from torch import Tensor

from everswin_trainer.model import mmcv_ops

mmcv_ops.install()

import mmcv.ops  # noqa: E402  (needs the replacement)


def bilinear(plane: Tensor, y: float, x: float) -> Tensor:
    """Returns the value of a (C, H, W) map at a point, clamped at the border and zero beyond one pixel outside."""
    height, width = plane.shape[1:]
    if y < -1 or y > height or x < -1 or x > width:
        return plane.new_zeros(plane.shape[0])
    y, x = min(max(y, 0.0), height - 1), min(max(x, 0.0), width - 1)
    y0, x0 = int(y), int(x)
    y1, x1 = min(y0 + 1, height - 1), min(x0 + 1, width - 1)
    dy, dx = y - y0, x - x0
    top = plane[:, y0, x0] * (1 - dx) + plane[:, y0, x1] * dx
    bottom = plane[:, y1, x0] * (1 - dx) + plane[:, y1, x1] * dx
    return top * (1 - dy) + bottom * dy


def slow_roi_align(
    feature: Tensor, rois: Tensor, size: tuple[int, int], scale: float, sampling_ratio: int, aligned: bool
) -> Tensor:
    out = feature.new_zeros(len(rois), feature.shape[1], *size)
    shift = 0.5 if aligned else 0.0
    for k, (image, *box) in enumerate(rois.tolist()):
        left, top, right, bottom = (value * scale - shift for value in box)
        width, height = right - left, bottom - top
        if not aligned:
            width, height = max(width, 1.0), max(height, 1.0)
        bin_h, bin_w = height / size[0], width / size[1]
        ny = sampling_ratio or math.ceil(bin_h)
        nx = sampling_ratio or math.ceil(bin_w)
        for i in range(size[0]):
            for j in range(size[1]):
                for iy in range(ny):
                    for ix in range(nx):
                        y = top + (i + (iy + 0.5) / ny) * bin_h
                        x = left + (j + (ix + 0.5) / nx) * bin_w
                        out[k, :, i, j] += bilinear(feature[int(image)], y, x) / (ny * nx)
    return out


def slow_nms(boxes: Tensor, scores: Tensor, threshold: float, offset: int) -> list[int]:
    def overlap(a: list[float], b: list[float]) -> float:
        width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]) + offset)
        height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]) + offset)
        area = sum((c[2] - c[0] + offset) * (c[3] - c[1] + offset) for c in (a, b))
        return width * height / (area - width * height)

    kept: list[int] = []
    corners = boxes.tolist()
    for i in sorted(range(len(corners)), key=lambda index: -scores[index].item()):
        if all(overlap(corners[i], corners[j]) <= threshold for j in kept):
            kept.append(i)
    return kept


def random_boxes(count: int, extent: float, generator: torch.Generator) -> Tensor:
    corner = torch.rand(count, 2, generator=generator, dtype=torch.float64) * extent
    size = torch.rand(count, 2, generator=generator, dtype=torch.float64) * extent * 0.6
    return torch.cat([corner, corner + size], dim=1)


def random_rois(count: int, images: int, extent: float, generator: torch.Generator) -> Tensor:
    index = torch.randint(images, (count, 1), generator=generator)
    return torch.cat([index, random_boxes(count, extent, generator)], dim=1)


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("sampling_ratio", [0, 1, 2])
def test_roi_align_matches_its_definition(sampling_ratio: int, aligned: bool) -> None:
    generator = torch.Generator().manual_seed(7)
    feature = torch.randn(2, 3, 9, 11, generator=generator, dtype=torch.float64)
    # The boxes use twice the resolution of the map; some extend beyond its border.
    rois = random_rois(6, 2, 18, generator)
    expected = slow_roi_align(feature, rois, (3, 2), 0.5, sampling_ratio, aligned)
    layer = mmcv.ops.RoIAlign((3, 2), 0.5, sampling_ratio, "avg", aligned)
    torch.testing.assert_close(layer(feature, rois), expected, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(layer(feature.float(), rois.float()), expected.float(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("sampling_ratio", [0, 1, 2])
def test_roi_align_gradient_matches_the_numerical_derivative(sampling_ratio: int, aligned: bool) -> None:
    generator = torch.Generator().manual_seed(8)
    feature = torch.randn(2, 2, 5, 6, generator=generator, dtype=torch.float64, requires_grad=True)
    rois = random_rois(4, 2, 10, generator)
    layer = mmcv.ops.RoIAlign(2, 0.5, sampling_ratio, "avg", aligned)
    assert torch.autograd.gradcheck(lambda value: layer(value, rois), feature)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_roi_align_accepts_half_precision(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(9)
    feature = torch.randn(2, 3, 8, 8, generator=generator).to(dtype).requires_grad_()
    rois = random_rois(5, 2, 8, generator).to(dtype)
    layer = mmcv.ops.RoIAlign(2, 1.0, 2)
    out = layer(feature, rois)
    out.sum().backward()
    expected = slow_roi_align(feature.detach().double(), rois.double(), (2, 2), 1.0, 2, True)
    assert out.dtype == feature.grad.dtype == dtype
    torch.testing.assert_close(out.detach().double(), expected, rtol=2e-2, atol=2e-2)


def test_roi_align_is_empty_with_zero_gradient_when_there_are_no_boxes() -> None:
    feature = torch.randn(2, 3, 8, 8, requires_grad=True)
    out = mmcv.ops.RoIAlign(7, 0.25)(feature, torch.zeros(0, 5))
    out.sum().backward()
    assert out.shape == (0, 3, 7, 7)
    assert not feature.grad.any()


def test_roi_align_raises_an_error_naming_max_mode() -> None:
    layer = mmcv.ops.RoIAlign(2, 1.0, 2, pool_mode="max")
    with pytest.raises(RuntimeError, match="'roi_align_forward with pool_mode='max'' is not available"):
        layer(torch.zeros(1, 1, 4, 4), torch.tensor([[0.0, 0, 0, 2, 2]]))


@pytest.mark.parametrize("offset", [0, 1])
@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7])
def test_nms_matches_its_definition(threshold: float, offset: int) -> None:
    generator = torch.Generator().manual_seed(10)
    boxes = random_boxes(80, 30, generator)
    scores = torch.rand(80, generator=generator, dtype=torch.float64)
    dets, kept = mmcv.ops.nms(boxes, scores, threshold, offset=offset)
    assert kept.tolist() == slow_nms(boxes, scores, threshold, offset)
    assert torch.equal(dets, torch.cat([boxes[kept], scores[kept, None]], dim=1))


def test_nms_offset_counts_border_pixels() -> None:
    # Inclusive pixels 0..9 and 0..4: overlap 5 of 10 columns is 0.5 with offset 1, and 4/9 without.
    boxes = torch.tensor([[0.0, 0, 9, 9], [0, 0, 4, 9]])
    scores = torch.tensor([0.9, 0.8])
    assert mmcv.ops.nms(boxes, scores, 0.47, offset=1)[1].tolist() == [0]
    assert mmcv.ops.nms(boxes, scores, 0.47, offset=0)[1].tolist() == [0, 1]


@pytest.mark.parametrize("offset", [0, 1])
def test_nms_is_empty_when_there_are_no_boxes(offset: int) -> None:
    dets, kept = mmcv.ops.nms(torch.zeros(0, 4), torch.zeros(0), 0.5, offset=offset)
    assert dets.shape == (0, 5)
    assert kept.shape == (0,)
    assert kept.dtype == torch.int64


def test_nms_applies_score_threshold_and_max_num_to_the_kept_boxes() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 9], [20, 20, 30, 30], [40, 40, 50, 50], [60, 60, 70, 70]])
    scores = torch.tensor([0.5, 0.9, 0.2, 0.8, 0.7])
    assert mmcv.ops.nms(boxes, scores, 0.5, score_threshold=0.3)[1].tolist() == [1, 3, 4]
    assert mmcv.ops.nms(boxes, scores, 0.5, score_threshold=0.3, max_num=2)[1].tolist() == [1, 3]


def test_nms_accepts_half_precision_scores_with_float_boxes() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 9], [20, 20, 30, 30]])
    assert mmcv_ops.nms(boxes, torch.tensor([0.5, 0.9, 0.2]).half(), 0.5, 0).tolist() == [1, 2]


def test_batched_nms_suppresses_only_within_a_class() -> None:
    generator = torch.Generator().manual_seed(11)
    boxes = random_boxes(60, 30, generator).float()
    scores = torch.rand(60, generator=generator)
    classes = torch.randint(3, (60,), generator=generator)
    expected = []
    for label in range(3):
        members = (classes == label).nonzero().squeeze(1)
        expected += members[slow_nms(boxes[members], scores[members], 0.5, 0)].tolist()
    _, kept = mmcv.ops.batched_nms(boxes, scores, classes, {"type": "nms", "iou_threshold": 0.5})
    assert kept.tolist() == sorted(expected, key=lambda index: -scores[index].item())


def test_an_unsupported_op_raises_an_error_naming_it() -> None:
    boxes, scores = torch.zeros(1, 4), torch.zeros(1)
    with pytest.raises(RuntimeError, match="'softnms' is not available.*only nms and roi_align"):
        mmcv.ops.soft_nms(boxes, scores)
    with pytest.raises(RuntimeError, match="'deform_conv_forward' is not available"):
        mmcv.ops.deform_conv2d(torch.zeros(1, 1, 4, 4), torch.zeros(1, 18, 2, 2), torch.zeros(1, 1, 3, 3))


def test_install_keeps_a_compiled_mmcv(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = ModuleType("mmcv._ext")
    compiled.__spec__ = ModuleSpec("mmcv._ext", loader=None)
    monkeypatch.setitem(sys.modules, "mmcv._ext", compiled)
    mmcv_ops.install()
    assert sys.modules["mmcv._ext"] is compiled
