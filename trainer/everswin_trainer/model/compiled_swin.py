"""Swin blocks in a form that torch.compile turns into few graphs, which serve all image sizes.

MMDetection's block pads, rolls and partitions the tokens, and draws random numbers for drop path in between. Compiled
unchanged, each combination of "needs padding" in height and width is a graph of its own. Here, padding, roll and
partition are one index that is an input of the graph, and random numbers are drawn outside it, with the generator and
in the order of MMDetection.
"""

from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any, NamedTuple

import torch
from mmcv.cnn.bricks.drop import DropPath
from mmdet.models.backbones.swin import SwinBlock
from torch import Tensor

# As in ShiftWindowMSA: added to the attention between tokens of different parts of the image.
MASKED = -100.0
# Four stages, with and without shift: all that one batch needs.
INDICES = 8


class WindowIndex(NamedTuple):
    """Where the tokens of a map are in its windows: token (windows, places), place (tokens,)."""

    token: Tensor
    # False where a place is padding.
    is_token: Tensor
    place: Tensor
    # (windows, places, places), or None without shift.
    mask: Tensor | None


class CompiledSwinBlock(SwinBlock):
    """MMDetection's block with a compiled forward, and the same parameters and keys."""

    def forward(self, x: Tensor, hw_shape: tuple[int, int]) -> Tensor:
        index = window_index(*hw_shape, self.attn.window_size, self.attn.shift_size, x.device)
        kept = [draw_paths(drop, x) for drop in (self.attn.drop, self.ffn.dropout_layer)]
        return compiled_block()(self, x, *index, *kept)


@cache
def compiled_block() -> Callable[..., Tensor]:
    """Returns the function of all blocks, because blocks of the same width share their graphs."""
    return torch.compile(run_block, dynamic=True)


def can_compile(block: SwinBlock) -> bool:
    """Returns whether nothing but drop path is random, and no activation is recomputed."""
    drops = [module for module in block.modules() if isinstance(module, torch.nn.Dropout)]
    paths = (block.attn.drop, block.ffn.dropout_layer)
    return not block.with_cp and all(one.p == 0 for one in drops) and all(type(one) is DropPath for one in paths)


def run_block(
    block: SwinBlock,
    x: Tensor,
    token: Tensor,
    is_token: Tensor,
    place: Tensor,
    mask: Tensor | None,
    kept_attention: Tensor | None,
    kept_mlp: Tensor | None,
) -> Tensor:
    """Returns the output for x (images, tokens, channels).

    kept_attention and kept_mlp scale the two paths of each image; None keeps them.
    """
    images, _, channels = x.shape
    token_of_place, is_token = token.reshape(-1), is_token.reshape(-1)
    windows = Rearrange.apply(block.norm1(x), token_of_place, is_token, place, None)
    attended = block.attn.w_msa(windows.reshape(-1, token.shape[1], channels), mask=mask)
    path = Rearrange.apply(attended.reshape(images, -1, channels), place, None, token_of_place, is_token)
    x = x + (path if kept_attention is None else path * kept_attention)
    path = block.ffn.layers(block.norm2(x))
    return x + (path if kept_mlp is None else path * kept_mlp)


class Rearrange(torch.autograd.Function):
    """Moves tokens (images, tokens, channels) to and from windows: `index` is the source of each result.

    Each token has one place, so the gradient is the opposite move, and not a sum over an index.
    """

    @staticmethod
    def forward(
        ctx: Any, values: Tensor, index: Tensor, is_token: Tensor | None, back: Tensor, back_is_token: Tensor | None
    ) -> Tensor:
        ctx.save_for_backward(back, back_is_token)
        return move(values, index, is_token)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None, None]:
        back, back_is_token = ctx.saved_tensors
        return move(gradient, back, back_is_token), None, None, None, None


def move(values: Tensor, index: Tensor, is_token: Tensor | None) -> Tensor:
    moved = values[:, index]
    return moved if is_token is None else torch.where(is_token[:, None], moved, 0.0)


@lru_cache(INDICES)
def window_index(height: int, width: int, size: int, shift: int, device: torch.device) -> WindowIndex:
    """Returns the index of a map that is padded to whole windows and rolled by -shift."""
    rows, columns = (-(-side // size) for side in (height, width))
    row, column = (torch.arange(count * size, device=device) for count in (rows, columns))
    # The rolled map has this row and column of the padded one.
    source_row, source_column = (row + shift) % (rows * size), (column + shift) % (columns * size)
    is_token = (source_row < height)[:, None] & (source_column < width)
    token = source_row.clamp(max=height - 1)[:, None] * width + source_column.clamp(max=width - 1)
    token, is_token = (partition(one, rows, columns, size) for one in (token, is_token))
    # The inverse: each token's row and column in the rolled map, then its window and place there.
    rolled_row = ((torch.arange(height, device=device) - shift) % (rows * size))[:, None]
    rolled_column = (torch.arange(width, device=device) - shift) % (columns * size)
    window = rolled_row // size * columns + rolled_column // size
    place = ((window * size + rolled_row % size) * size + rolled_column % size).view(-1)
    mask = None
    if shift:
        # Three parts in each direction: rows that the roll did not move, and two around the border.
        of_row, of_column = (
            (one >= len(one) - size).long() + (one >= len(one) - shift).long() for one in (row, column)
        )
        part = partition(of_row[:, None] * 3 + of_column, rows, columns, size)
        mask = torch.where(part[:, None] != part[:, :, None], MASKED, 0.0)
    return WindowIndex(token, is_token, place, mask)


def partition(of_map: Tensor, rows: int, columns: int, size: int) -> Tensor:
    """Returns the values of a padded map by window and place."""
    return of_map.view(rows, size, columns, size).transpose(1, 2).reshape(rows * columns, size * size)


def draw_paths(drop: DropPath, x: Tensor) -> Tensor | None:
    """Draws which images keep a path, as mmcv's drop_path, and returns the scale of each."""
    if not drop.training:
        return None
    keep = 1 - drop.drop_prob
    ones = x.new_ones(len(x), 1, 1)
    if drop.drop_prob == 0:
        return ones
    device = x.device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else x.dtype
    drawn = torch.rand(len(x), 1, 1, dtype=dtype, device=x.device)
    return ones * (keep + drawn).floor() / keep
