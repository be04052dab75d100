"""Tests that the compiled Swin blocks equal MMDetection's and need one graph for all sizes.

Runs the traced graphs without code generation, which takes minutes on a CPU (test/bench/compile_counts.py).
"""

import copy
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
import torch
from recipe_files import fill_registries
from torch._dynamo.utils import counters
from torch.utils._pytree import tree_flatten, tree_leaves, tree_unflatten

fill_registries()
from mmdet.models.backbones.swin import SwinBlock  # noqa: E402

from everswin_trainer.model.accelerate import compile_backbone  # noqa: E402
from everswin_trainer.model.compiled_swin import CompiledSwinBlock, can_compile, compiled_block  # noqa: E402

BOUND = 1e-9


@pytest.fixture
def graphs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Returns the counters of a compiler that traces only."""
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    compiled_block.cache_clear()
    torch._dynamo.reset()
    counters.clear()
    yield counters
    compiled_block.cache_clear()


def test_blocks_need_one_graph_for_all_sizes(graphs: Any) -> None:
    torch.manual_seed(0)
    stock = SwinBlock(24, 3, 48, shift=True, drop_path_rate=0.2).double()
    stock.attn.w_msa.init_weights()
    fast = copy.deepcopy(stock)
    compile_backbone(fast)
    assert type(fast) is CompiledSwinBlock
    # With and without padding in height, width or both; the first is square.
    for height, width in ((14, 14), (7, 28), (16, 21), (14, 23), (9, 40)):
        assert_equal_step(stock, fast, torch.randn(3, height * width, 24).double(), (height, width))
        assert (graphs["stats"]["unique_graphs"], dict(graphs["graph_break"])) == (1, {})


def assert_equal_step(stock: torch.nn.Module, fast: torch.nn.Module, *inputs: Any) -> None:
    """Compares outputs, gradients and the state of the random numbers after a step from one seed."""
    for expected, actual in zip(take_step(stock, inputs), take_step(fast, inputs), strict=True):
        torch.testing.assert_close(actual, expected, rtol=BOUND, atol=BOUND)


def take_step(module: torch.nn.Module, inputs: tuple[Any, ...]) -> list[torch.Tensor | None]:
    module.zero_grad()
    torch.manual_seed(3)
    leaves, spec = tree_flatten(inputs)
    leaves = [one.clone().requires_grad_() if isinstance(one, torch.Tensor) else one for one in leaves]
    outputs = tree_leaves(module(*tree_unflatten(leaves, spec)))
    sum((one * torch.linspace(-1, 1, one.numel()).view_as(one)).sum() for one in outputs).backward()
    gradients = [one.grad for one in (*leaves, *module.parameters()) if isinstance(one, torch.Tensor)]
    return [*(one.detach() for one in outputs), *gradients, torch.get_rng_state()]


@pytest.mark.parametrize("change", [{"drop_rate": 0.1}, {"attn_drop_rate": 0.1}, {"with_cp": True}])
def test_blocks_with_dropout_or_recomputation_are_not_compiled(change: dict[str, Any]) -> None:
    assert can_compile(SwinBlock(8, 2, 16))
    assert not can_compile(SwinBlock(8, 2, 16, **change))
