"""Reference implementation of the Swin authors' models: files in their key layout, and the outputs for such a file.

It is independent of the names and orders of MMDetection 3. A file is a dictionary of random tensors, from which the
functions compute in plain torch the outputs of the authors' repository with MMDetection 2.11.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.ops import roi_align

Tensors = dict[str, Tensor]
WINDOW, SHIFT, PATCH, INPUT = 7, 3, 4, 224
STAGES, CHANNELS, CLASSES = 3, 256, 80
# Standard deviations of the box deltas in each stage of the cascade.
BOX_STDS = ((0.1, 0.1, 0.2, 0.2), (0.05, 0.05, 0.1, 0.1), (0.033, 0.033, 0.067, 0.067))


@dataclass(frozen=True)
class Size:
    width: int
    depths: tuple[int, ...]
    heads: tuple[int, ...]


SIZES = {
    "t": Size(96, (2, 2, 6, 2), (3, 6, 12, 24)),
    "s": Size(96, (2, 2, 18, 2), (3, 6, 12, 24)),
    "b": Size(128, (2, 2, 18, 2), (4, 8, 16, 32)),
}


class Rule:
    """Fills a dictionary with random tensors that keep the scale of signals."""

    def __init__(self, seed: int) -> None:
        self.tensors: Tensors = {}
        self._draw = torch.Generator().manual_seed(seed)

    def normal(self, name: str, *shape: int, std: float = 1.0, mean: float = 0.0) -> None:
        self.tensors[name] = torch.empty(shape).normal_(mean, std, generator=self._draw)

    def linear(self, name: str, *shape: int, bias: bool = True, gain: float = 1.0) -> None:
        """Adds a linear layer (outputs, inputs) or a convolution with a four-dimensional kernel."""
        self.normal(f"{name}.weight", *shape, std=gain / math.sqrt(math.prod(shape[1:])))
        if bias:
            self.normal(f"{name}.bias", shape[0], std=0.1)

    def norm(self, name: str, width: int) -> None:
        self.normal(f"{name}.weight", width, std=0.2, mean=1.0)
        self.normal(f"{name}.bias", width, std=0.2)

    def batch_norm(self, name: str, width: int) -> None:
        self.norm(name, width)
        self.normal(f"{name}.running_mean", width, std=0.2)
        self.tensors[f"{name}.running_var"] = torch.empty(width).uniform_(0.5, 1.5, generator=self._draw)
        self.tensors[f"{name}.num_batches_tracked"] = torch.tensor(263_880)


def imagenet_file(size: Size, seed: int = 0) -> Tensors:
    """Returns the content of `model` in swin_*_patch4_window7_224.pth."""
    rule = Rule(seed)
    _backbone(rule, size, "", masks=True)
    last = size.width << 3
    rule.norm("norm", last)
    rule.linear("head", 1000, last)
    return rule.tensors


def detector_file(size: Size, classes: int = CLASSES, seed: int = 0) -> Tensors:
    """Returns the content of `state_dict` in cascade_mask_rcnn_swin_*_patch4_window7.pth."""
    rule = Rule(seed)
    _backbone(rule, size, "backbone.", masks=False)
    for level in range(4):
        rule.norm(f"backbone.norm{level}", size.width << level)
        rule.linear(f"neck.lateral_convs.{level}.conv", CHANNELS, size.width << level, 1, 1)
    for level in range(4):
        rule.linear(f"neck.fpn_convs.{level}.conv", CHANNELS, CHANNELS, 3, 3)
    rule.linear("rpn_head.rpn_conv", CHANNELS, CHANNELS, 3, 3)
    rule.linear("rpn_head.rpn_cls", 3, CHANNELS, 1, 1)
    rule.linear("rpn_head.rpn_reg", 3 * 4, CHANNELS, 1, 1)
    for stage in range(STAGES):
        head = f"roi_head.bbox_head.{stage}"
        rule.linear(f"{head}.fc_cls", classes + 1, 1024)
        rule.linear(f"{head}.fc_reg", 4 * classes, 1024)
        for index in range(4):
            rule.linear(f"{head}.shared_convs.{index}.conv", CHANNELS, CHANNELS, 3, 3, bias=False, gain=1.4)
            rule.batch_norm(f"{head}.shared_convs.{index}.bn", CHANNELS)
        rule.linear(f"{head}.shared_fcs.0", 1024, CHANNELS * 7 * 7, gain=1.4)
    for stage in range(STAGES):
        head = f"roi_head.mask_head.{stage}"
        for index in range(4):
            rule.linear(f"{head}.convs.{index}.conv", CHANNELS, CHANNELS, 3, 3, gain=1.4)
        rule.linear(f"{head}.upsample", CHANNELS, CHANNELS, 2, 2)
        rule.linear(f"{head}.conv_logits", classes, CHANNELS, 1, 1)
    return rule.tensors


def _backbone(rule: Rule, size: Size, prefix: str, masks: bool) -> None:
    rule.linear(f"{prefix}patch_embed.proj", size.width, 3, PATCH, PATCH)
    rule.norm(f"{prefix}patch_embed.norm", size.width)
    for stage, (depth, heads) in enumerate(zip(size.depths, size.heads, strict=True)):
        width, resolution = size.width << stage, INPUT // PATCH >> stage
        for index in range(depth):
            block = f"{prefix}layers.{stage}.blocks.{index}"
            # An ImageNet file contains the masks of its input size; a detector computes them for each image.
            if masks and index % 2 and resolution > WINDOW:
                rule.tensors[f"{block}.attn_mask"] = shift_mask(resolution, resolution)
            rule.norm(f"{block}.norm1", width)
            rule.normal(f"{block}.attn.relative_position_bias_table", (2 * WINDOW - 1) ** 2, heads, std=0.5)
            rule.tensors[f"{block}.attn.relative_position_index"] = relative_position_index()
            rule.linear(f"{block}.attn.qkv", 3 * width, width, gain=1.5)
            rule.linear(f"{block}.attn.proj", width, width)
            rule.norm(f"{block}.norm2", width)
            rule.linear(f"{block}.mlp.fc1", 4 * width, width)
            rule.linear(f"{block}.mlp.fc2", width, 4 * width)
        if stage < 3:
            rule.linear(f"{prefix}layers.{stage}.downsample.reduction", 2 * width, 4 * width, bias=False)
            rule.norm(f"{prefix}layers.{stage}.downsample.norm", 4 * width)


def relative_position_index() -> Tensor:
    """Returns (W*W, W*W): the row of the bias table for each pair of positions in a window."""
    places = torch.cartesian_prod(torch.arange(WINDOW), torch.arange(WINDOW))
    down, right = (places[:, None] - places[None, :] + WINDOW - 1).unbind(-1)
    return down * (2 * WINDOW - 1) + right


def windows(image: Tensor) -> Tensor:
    """Splits (H, W, C) into (windows, W*W, C), row by row."""
    rows, columns = image.shape[0] // WINDOW, image.shape[1] // WINDOW
    return image.reshape(rows, WINDOW, columns, WINDOW, -1).transpose(1, 2).reshape(rows * columns, WINDOW**2, -1)


def image_of(parts: Tensor, height: int, width: int) -> Tensor:
    """Inverts `windows`."""
    rows, columns = height // WINDOW, width // WINDOW
    return parts.reshape(rows, columns, WINDOW, WINDOW, -1).transpose(1, 2).reshape(height, width, -1)


def shift_mask(height: int, width: int) -> Tensor:
    """Returns (windows, W*W, W*W): -100 between positions that are neighbors only because the image was rolled."""

    def band(length: int) -> Tensor:
        place = torch.arange(length)
        return (place >= length - WINDOW).long() + (place >= length - SHIFT).long()

    regions = windows((3 * band(height)[:, None] + band(width)[None, :])[..., None]).squeeze(-1)
    return torch.where(regions[:, :, None] == regions[:, None, :], 0.0, -100.0)


def backbone_outputs(file: Tensors, size: Size, image: Tensor, prefix: str = "") -> list[Tensor]:
    """Returns four maps (1, C, h, w) of `image` (1, 3, H, W). An ImageNet file lacks the norms of the maps."""
    tensors = {key.removeprefix(prefix): tensor for key, tensor in file.items() if key.startswith(prefix)}
    # The patch size divides the image sizes of the tests.
    x = _affine(F.conv2d, tensors, "patch_embed.proj", image, stride=PATCH)[0].permute(1, 2, 0)
    x = _norm(tensors, "patch_embed.norm", x)
    maps = []
    for stage, (depth, heads) in enumerate(zip(size.depths, size.heads, strict=True)):
        for index in range(depth):
            x = _block(tensors, f"layers.{stage}.blocks.{index}", x, heads, shift=SHIFT if index % 2 else 0)
        norm = f"norm{stage}"
        out = _norm(tensors, norm, x) if f"{norm}.weight" in tensors else F.layer_norm(x, x.shape[-1:])
        maps.append(out.permute(2, 0, 1)[None])
        if stage < 3:
            x = _merge(tensors, f"layers.{stage}.downsample", x)
    return maps


def _block(tensors: Tensors, name: str, x: Tensor, heads: int, shift: int) -> Tensor:
    height, width, channels = x.shape
    y = F.pad(_norm(tensors, f"{name}.norm1", x), (0, 0, 0, -width % WINDOW, 0, -height % WINDOW))
    padded = y.shape[:2]
    parts = windows(y.roll((-shift, -shift), (0, 1)))
    query, key, value = (
        one.unflatten(-1, (heads, -1)).transpose(1, 2)
        for one in _affine(F.linear, tensors, f"{name}.attn.qkv", parts).chunk(3, -1)
    )
    table = tensors[f"{name}.attn.relative_position_bias_table"]
    index = tensors[f"{name}.attn.relative_position_index"]
    scores = query @ key.mT / math.sqrt(channels / heads) + table[index].permute(2, 0, 1)
    if shift:
        scores = scores + shift_mask(*padded)[:, None]
    mixed = (scores.softmax(-1) @ value).transpose(1, 2).flatten(-2)
    y = image_of(_affine(F.linear, tensors, f"{name}.attn.proj", mixed), *padded).roll((shift, shift), (0, 1))
    x = x + y[:height, :width]
    hidden = F.gelu(_affine(F.linear, tensors, f"{name}.mlp.fc1", _norm(tensors, f"{name}.norm2", x)))
    return x + _affine(F.linear, tensors, f"{name}.mlp.fc2", hidden)


def _merge(tensors: Tensors, name: str, x: Tensor) -> Tensor:
    """Merges four neighbors in the order upper left, lower left, upper right, lower right."""
    x = F.pad(x, (0, 0, 0, x.shape[1] % 2, 0, x.shape[0] % 2))
    x = torch.cat([x[0::2, 0::2], x[1::2, 0::2], x[0::2, 1::2], x[1::2, 1::2]], -1)
    return _affine(F.linear, tensors, f"{name}.reduction", _norm(tensors, f"{name}.norm", x))


def neck_outputs(file: Tensors, maps: list[Tensor]) -> list[Tensor]:
    """Returns the five levels of the feature pyramid."""
    lateral = [_affine(F.conv2d, file, f"neck.lateral_convs.{level}.conv", one) for level, one in enumerate(maps)]
    for level in (3, 2, 1):
        finer = lateral[level - 1]
        lateral[level - 1] = finer + F.interpolate(lateral[level], size=finer.shape[-2:], mode="nearest")
    out = [_affine(F.conv2d, file, f"neck.fpn_convs.{level}.conv", one, padding=1) for level, one in enumerate(lateral)]
    return [*out, out[-1][..., ::2, ::2]]


def rpn_outputs(file: Tensors, level: Tensor) -> tuple[Tensor, Tensor]:
    """Returns objectness and deltas of three anchors at each position."""
    hidden = F.relu(_affine(F.conv2d, file, "rpn_head.rpn_conv", level, padding=1))
    return tuple(_affine(F.conv2d, file, f"rpn_head.{name}", hidden) for name in ("rpn_cls", "rpn_reg"))


def box_head_outputs(file: Tensors, stage: int, x: Tensor) -> tuple[Tensor, Tensor]:
    """Returns class scores, background last, and four deltas per class for regions (n, 256, 7, 7)."""
    head = f"roi_head.bbox_head.{stage}"
    for index in range(4):
        name = f"{head}.shared_convs.{index}"
        x = _affine(F.conv2d, file, f"{name}.conv", x, padding=1)
        mean, variance, weight, bias = (
            file[f"{name}.bn.{part}"][:, None, None] for part in ("running_mean", "running_var", "weight", "bias")
        )
        x = F.relu((x - mean) / torch.sqrt(variance + 1e-5) * weight + bias)
    x = F.relu(_affine(F.linear, file, f"{head}.shared_fcs.0", x.flatten(1)))
    return tuple(_affine(F.linear, file, f"{head}.{name}", x) for name in ("fc_cls", "fc_reg"))


def mask_head_outputs(file: Tensors, stage: int, x: Tensor) -> Tensor:
    """Returns one mask (28, 28) per class for regions (n, 256, 14, 14)."""
    head = f"roi_head.mask_head.{stage}"
    for index in range(4):
        x = F.relu(_affine(F.conv2d, file, f"{head}.convs.{index}.conv", x, padding=1))
    x = F.relu(_affine(F.conv_transpose2d, file, f"{head}.upsample", x, stride=2))
    return _affine(F.conv2d, file, f"{head}.conv_logits", x)


def cascade_outputs(
    file: Tensors, levels: list[Tensor], boxes: Tensor, height: int, width: int
) -> tuple[Tensor, Tensor]:
    """Returns probabilities (n, classes + 1) and boxes of the last stage (n, classes * 4) for proposals (n, 4)."""
    scores = []
    for stage, stds in enumerate(BOX_STDS):
        score, deltas = box_head_outputs(file, stage, pool(levels, boxes, 7))
        scores.append(score)
        per_class = _decode(boxes, deltas.unflatten(1, (-1, 4)), stds, height, width)
        # The box of the most probable class, background excluded, is the proposal of the next stage.
        boxes = per_class[torch.arange(len(boxes)), score[:, :-1].argmax(1)]
    return torch.stack(scores).mean(0).softmax(1), per_class.flatten(1)


def pool(levels: list[Tensor], boxes: Tensor, size: int) -> Tensor:
    """Pools regions from the first four levels; the size of a box determines its level."""
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    chosen = torch.log2(area.sqrt() / 56 + 1e-6).floor().clamp(0, 3)
    out = boxes.new_zeros(len(boxes), CHANNELS, size, size)
    for level in range(4):
        here = chosen == level
        out[here] = roi_align(levels[level], [boxes[here]], size, 1 / (4 << level), sampling_ratio=0, aligned=True)
    return out


def _decode(boxes: Tensor, deltas: Tensor, stds: tuple[float, ...], height: int, width: int) -> Tensor:
    """Decodes deltas (n, classes, 4), shifts in box sizes and logarithmic scales, to corners inside the image."""
    deltas = deltas * deltas.new_tensor(stds)
    low, high = boxes[:, None, :2], boxes[:, None, 2:]
    most = abs(math.log(16 / 1000))
    center = (low + high) / 2 + (high - low) * deltas[..., :2]
    half = (high - low) * deltas[..., 2:].clamp(-most, most).exp() / 2
    edge = deltas.new_tensor([width, height, width, height])
    return torch.minimum(torch.cat([center - half, center + half], -1).clamp(min=0), edge)


def _affine(operation: object, tensors: Tensors, name: str, x: Tensor, **settings: int) -> Tensor:
    assert callable(operation)
    return operation(x, tensors[f"{name}.weight"], tensors.get(f"{name}.bias"), **settings)


def _norm(tensors: Tensors, name: str, x: Tensor) -> Tensor:
    return F.layer_norm(x, x.shape[-1:], tensors[f"{name}.weight"], tensors[f"{name}.bias"])
