"""Generates weights of the demo's Swin Transformer in the layout of the Swin authors' ImageNet checkpoints.

The values are random: the demo needs a file that is downloaded, checked, converted and loaded like a real one, not a
trained network. The layout is that of `SwinTransformer/storage` v1.0.0, for example swin_tiny_patch4_window7_224.pth.
"""

import io
import math

import numpy as np

SEED = 20170907
# Sizes of configs/mmdet/cascade-mask-rcnn_swin-demo.py.
EMBED_DIMS, DEPTHS, HEADS, WINDOW, MLP_RATIO = 24, (2, 2, 2, 2), (1, 2, 4, 8), 7, 4
PATCH, INPUT, CLASSES = 4, 224, 1000


def mini_swin_checkpoint() -> bytes:
    """Returns a torch checkpoint `{"model": {name: tensor}}`, with the same bytes on every call."""
    import torch

    model = {name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in _parameters().items()}
    # torch.save stores the name of its file in the archive; a buffer has none.
    buffer = io.BytesIO()
    torch.save({"model": model}, buffer)
    return buffer.getvalue()


def _parameters() -> dict[str, np.ndarray]:
    draws = np.random.PCG64(SEED)
    out: dict[str, np.ndarray] = {}

    def linear(name: str, outputs: int, inputs: int) -> None:
        out[f"{name}.weight"] = _bell(draws, (outputs, inputs), 1 / math.sqrt(inputs))
        out[f"{name}.bias"] = np.zeros(outputs, np.float32)

    def norm(name: str, width: int) -> None:
        out[f"{name}.weight"] = np.ones(width, np.float32)
        out[f"{name}.bias"] = np.zeros(width, np.float32)

    fan_in = 3 * PATCH * PATCH
    out["patch_embed.proj.weight"] = _bell(draws, (EMBED_DIMS, 3, PATCH, PATCH), 1 / math.sqrt(fan_in))
    out["patch_embed.proj.bias"] = np.zeros(EMBED_DIMS, np.float32)
    norm("patch_embed.norm", EMBED_DIMS)
    for stage, (depth, heads) in enumerate(zip(DEPTHS, HEADS, strict=True)):
        width = EMBED_DIMS << stage
        resolution = INPUT // PATCH >> stage
        for index in range(depth):
            block = f"layers.{stage}.blocks.{index}"
            # Every second block shifts its windows, unless a single window covers the map.
            if index % 2 and resolution > WINDOW:
                out[f"{block}.attn_mask"] = _attention_mask(resolution)
            norm(f"{block}.norm1", width)
            out[f"{block}.attn.relative_position_bias_table"] = _bell(draws, ((2 * WINDOW - 1) ** 2, heads), 0.02)
            out[f"{block}.attn.relative_position_index"] = _relative_position_index()
            linear(f"{block}.attn.qkv", 3 * width, width)
            linear(f"{block}.attn.proj", width, width)
            norm(f"{block}.norm2", width)
            linear(f"{block}.mlp.fc1", MLP_RATIO * width, width)
            linear(f"{block}.mlp.fc2", width, MLP_RATIO * width)
        if stage + 1 < len(DEPTHS):
            # Merging 2x2 patches maps 4 widths to 2; this layer has no bias.
            out[f"layers.{stage}.downsample.reduction.weight"] = _bell(
                draws, (2 * width, 4 * width), 1 / math.sqrt(4 * width)
            )
            norm(f"layers.{stage}.downsample.norm", 4 * width)
    norm("norm", width)
    linear("head", CLASSES, width)
    return out


def _bell(draws: np.random.PCG64, shape: tuple[int, ...], std: float) -> np.ndarray:
    """Returns nearly normal float32 values. Scaled sums of four 16-bit integers do not depend on a machine's libm."""
    words = draws.random_raw(math.prod(shape))
    total = sum((words >> np.uint64(16 * part)) & np.uint64(0xFFFF) for part in range(4))
    # Sum of four uniform integers in 0..65535: mean 4 * 32767.5, variance 4 * 65536^2 / 12.
    centered = total.astype(np.int64) - 131070
    return (centered * (std / (65536 / math.sqrt(3)))).astype(np.float32).reshape(shape)


def _relative_position_index() -> np.ndarray:
    """Returns (W*W, W*W) int64: the row of the bias table for each pair of positions in a window."""
    row, column = (axis.reshape(-1) for axis in np.indices((WINDOW, WINDOW)))
    down = row[:, None] - row[None, :] + WINDOW - 1
    right = column[:, None] - column[None, :] + WINDOW - 1
    return (down * (2 * WINDOW - 1) + right).astype(np.int64)


def _attention_mask(resolution: int) -> np.ndarray:
    """Returns (windows, W*W, W*W) float32: 0 within a region of the shifted image, -100 between regions."""
    # The shift rolls the first rows to the end, which makes three bands per axis that must not attend to each other.
    band = np.zeros(resolution, np.int64)
    band[-WINDOW:] = 1
    band[-(WINDOW // 2) :] = 2
    region = band[:, None] * 3 + band[None, :]
    count = resolution // WINDOW
    windows = region.reshape(count, WINDOW, count, WINDOW).transpose(0, 2, 1, 3).reshape(-1, WINDOW * WINDOW)
    return np.where(windows[:, :, None] == windows[:, None, :], 0, -100).astype(np.float32)
