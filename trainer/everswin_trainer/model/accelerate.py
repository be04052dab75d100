"""Puts the speed switches that concern the model into effect: once, before ranks share it and weights are loaded."""

from typing import Any

import torch
from mmcv.ops import RoIAlign
from mmdet.models.backbones.swin import SwinBlock

from everswin_trainer.job.speed import Speed
from everswin_trainer.model.sdpa_attention import use_sdpa_attention

# Variants of one piece of code: a shifted and a plain block in each of four stages, in training and in validation.
COMPILED_VARIANTS = 64


def accelerate(model: torch.nn.Module, speed: Speed) -> None:
    """Changes how `model` computes, not what: parameters keep their names, shapes and values."""
    if speed.sdpa_attention:
        use_sdpa_attention(model)
    if speed.channels_last:
        use_channels_last(model)
        keep_layout_of_pooling(model)
    if speed.compile_backbone:
        compile_backbone(model.backbone)


def use_channels_last(model: torch.nn.Module) -> None:
    """Lays out the weights of convolutions, and with them what they make, as tensor cores want them."""
    model.to(memory_format=torch.channels_last)


def use_usual_layout(model: torch.nn.Module) -> None:
    model.to(memory_format=torch.contiguous_format)


def keep_layout_of_pooling(model: torch.nn.Module) -> None:
    """mmcv's compiled kernel reads its input's memory as if it were laid out in the usual way."""
    for module in model.modules():
        if isinstance(module, RoIAlign):
            module.register_forward_pre_hook(_lay_out_as_usual)


def compile_backbone(backbone: torch.nn.Module) -> None:
    """Compiles attention and MLP of each Swin block, in place.

    Not whole blocks: in these two a batch of any image size differs in one dimension only, and nothing random is drawn.
    """
    torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, COMPILED_VARIANTS)
    for module in backbone.modules():
        if isinstance(module, SwinBlock):
            module.attn.w_msa.compile(dynamic=True)
            module.ffn.layers.compile(dynamic=True)


def _lay_out_as_usual(_module: torch.nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    features, *rest = inputs
    return (features.contiguous(), *rest)
