"""Applies the model's speed switches, once, before DDP wraps the model and weights are loaded."""

from typing import Any

import torch
from mmcv.ops import RoIAlign
from mmdet.models.backbones.swin import SwinBlock

from everswin_trainer.job.speed import Speed
from everswin_trainer.model.sdpa_attention import use_sdpa_attention

# Compiled variants: blocks with and without shift in each of four stages, in training and in validation.
COMPILED_VARIANTS = 64


def accelerate(model: torch.nn.Module, speed: Speed) -> None:
    """Makes `model` faster without changing its results: parameters keep their names, shapes and values."""
    if speed.sdpa_attention:
        use_sdpa_attention(model)
    if speed.channels_last:
        use_channels_last(model)
        make_pooling_inputs_contiguous(model)
    if speed.compile_backbone:
        compile_backbone(model.backbone)


def use_channels_last(model: torch.nn.Module) -> None:
    """Stores convolution weights, and thereby their outputs, in the layout that tensor cores prefer."""
    model.to(memory_format=torch.channels_last)


def use_contiguous_format(model: torch.nn.Module) -> None:
    model.to(memory_format=torch.contiguous_format)


def make_pooling_inputs_contiguous(model: torch.nn.Module) -> None:
    """Passes contiguous features to RoIAlign: mmcv's compiled kernel ignores strides."""
    for module in model.modules():
        if isinstance(module, RoIAlign):
            module.register_forward_pre_hook(_make_contiguous)


def compile_backbone(backbone: torch.nn.Module) -> None:
    """Compiles attention and MLP of each Swin block, in place.

    Does not compile complete blocks: in attention and MLP, batches differ in only one dimension, and nothing is random.
    """
    torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, COMPILED_VARIANTS)
    for module in backbone.modules():
        if isinstance(module, SwinBlock):
            module.attn.w_msa.compile(dynamic=True)
            module.ffn.layers.compile(dynamic=True)


def _make_contiguous(_module: torch.nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    features, *rest = inputs
    return (features.contiguous(), *rest)
