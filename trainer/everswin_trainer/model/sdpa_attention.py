"""Computes Swin's window attention with scaled_dot_product_attention."""

import torch
import torch.nn.functional as F
from mmdet.models.backbones.swin import WindowMSA
from torch import Tensor


class SdpaWindowMSA(WindowMSA):
    """MMDetection's WindowMSA with a different forward and the same parameters, buffers and keys.

    The sum of position bias and shift mask is one bias, which the kernel adds to q k^T before the softmax.
    """

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Returns the output for x (images * windows, tokens, channels).

        mask is (windows, tokens, tokens), or None if the windows are not shifted.
        """
        windows, tokens, channels = x.shape
        heads, width = self.num_heads, channels // self.num_heads
        qkv = self.qkv(x).reshape(windows, tokens, 3, heads, width).permute(2, 0, 3, 1, 4)
        bias = self._position_bias(tokens)
        if mask is not None:
            # The windows are grouped by image: as heads of one window per image, they share a bias that broadcasts.
            bias = (bias + mask.unsqueeze(1)).reshape(1, -1, tokens, tokens)
            qkv = qkv.reshape(3, windows // len(mask), len(mask) * heads, tokens, width)
        dropout = self.attn_drop.p if self.training else 0.0
        attended = F.scaled_dot_product_attention(*qkv.unbind(0), bias, dropout, scale=self.scale)
        attended = attended.reshape(windows, heads, tokens, width).transpose(1, 2)
        return self.proj_drop(self.proj(attended.reshape(windows, tokens, channels)))

    def _position_bias(self, tokens: int) -> Tensor:
        """Returns the position bias, (1, heads, tokens, tokens)."""
        places = self.relative_position_index.view(-1)
        return self.relative_position_bias_table[places].view(tokens, tokens, -1).permute(2, 0, 1).unsqueeze(0)


def use_sdpa_attention(model: torch.nn.Module) -> int:
    """Replaces every WindowMSA in place. Returns their number."""
    modules = [module for module in model.modules() if type(module) is WindowMSA]
    for module in modules:
        # Only forward differs, so the module keeps its parameters and buffers.
        module.__class__ = SdpaWindowMSA
    return len(modules)
