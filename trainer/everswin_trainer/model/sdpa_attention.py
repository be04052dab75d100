"""Computes Swin's window attention with scaled_dot_product_attention, without the attention matrix in memory."""

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
        heads = (windows, tokens, 3, self.num_heads, channels // self.num_heads)
        query, key, value = self.qkv(x).reshape(heads).permute(2, 0, 3, 1, 4).unbind(0)
        dropout = self.attn_drop.p if self.training else 0.0
        bias = self._bias(mask, windows, tokens)
        attended = F.scaled_dot_product_attention(query, key, value, bias, dropout, scale=self.scale)
        return self.proj_drop(self.proj(attended.transpose(1, 2).reshape(windows, tokens, channels)))

    def _bias(self, mask: Tensor | None, windows: int, tokens: int) -> Tensor:
        """Returns the sum of position bias and mask, (1 or windows, heads, tokens, tokens)."""
        places = self.relative_position_index.view(-1)
        bias = self.relative_position_bias_table[places].view(tokens, tokens, -1).permute(2, 0, 1).unsqueeze(0)
        if mask is None:
            return bias
        # The windows are grouped by image.
        return (bias + mask.unsqueeze(1)).repeat(windows // mask.shape[0], 1, 1, 1)


def use_sdpa_attention(model: torch.nn.Module) -> int:
    """Replaces every WindowMSA in place. Returns their number."""
    modules = [module for module in model.modules() if type(module) is WindowMSA]
    for module in modules:
        # Only forward differs, so the module keeps its parameters and buffers.
        module.__class__ = SdpaWindowMSA
    return len(modules)
