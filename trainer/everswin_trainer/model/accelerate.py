"""Applies the model's speed switches, once, before DDP wraps the model and weights are loaded."""

from typing import Any

import torch
from mmcv.ops import RoIAlign
from mmdet.models.backbones.swin import SwinBlock

from everswin_trainer.job.speed import Speed
from everswin_trainer.model.compiled_swin import CompiledSwinBlock, can_compile
from everswin_trainer.model.sdpa_attention import use_sdpa_attention

# More than test/bench/compile_counts.py counts for all blocks. Beyond it, PyTorch no longer compiles.
MOST_GRAPHS = 64


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
    """Compiles the Swin blocks, in place."""
    torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, MOST_GRAPHS)
    # Without it, the first square image makes a graph for square images only.
    torch.fx.experimental._config.use_duck_shape = False
    for module in backbone.modules():
        if type(module) is SwinBlock and can_compile(module):
            # Only forward differs, so the module keeps its parameters and buffers.
            module.__class__ = CompiledSwinBlock


def _make_contiguous(_module: torch.nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    features, *rest = inputs
    return (features.contiguous(), *rest)
