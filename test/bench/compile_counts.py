"""Counts the graphs that compileBackbone needs for all image sizes of multi-scale training, and compares results.

    PYTHONPATH=trainer .everswin/tools/trainer-env/bin/python test/bench/compile_counts.py --sizes sizes.json

The first part runs a narrow backbone on all sizes that padded batches of COCO have. Its backend
captures the graphs of the default one, but generates no code. The second part compiles both kinds of block with the
default backend and compares outputs and gradients with MMDetection's for random sizes (`--repeats`).
"""

import copy
import json
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from image_sizes import DIVISOR, INNER, RECIPE, TRAIN_IMAGES, Sized, sampler
from mmdet.models.backbones.swin import SwinBlock
from mmdet.registry import MODELS
from mmdet.utils import register_all_modules
from record import keep, make_parser, surroundings
from torch import Tensor
from torch._dynamo.utils import counters

from everswin_trainer.model.accelerate import MOST_GRAPHS, compile_backbone
from everswin_trainer.model.compiled_swin import compiled_block
from everswin_trainer.model.recipe import load_recipe
from everswin_trainer.model.sdpa_attention import use_sdpa_attention
from everswin_trainer.training.batches import ResumableBatchSampler
from everswin_trainer.training.image_sizes import sizes_of

BATCH = 2
# Channels and heads of the compared blocks, and tokens of a side.
CHANNELS, HEADS = 24, 3
SIDES = (7, 60)

default_compile = torch.compile


def main() -> None:
    parser = make_parser("compile_counts.py", repeats=12)
    parser.add_argument("--sizes", type=Path, required=True, help="sizes of COCO's images, as for image_sizes.py")
    arguments = parser.parse_args()
    record = surroundings(arguments)
    register_all_modules()
    torch.set_num_threads(1)
    differences = compare_blocks(arguments.seed, arguments.repeats)
    content = json.loads(arguments.sizes.read_bytes())
    recipe = load_recipe(RECIPE, None)
    train = np.array(content["train2017"])[:TRAIN_IMAGES, 1:]
    pipeline = [{"type": "SeedSample", "seed": arguments.seed}, *recipe.train_dataloader.dataset.pipeline]
    batches = padded_sizes(Sized(train, pipeline), BATCH, arguments.seed)
    validation = Sized(np.array(content["val2017"])[:, 1:], recipe.val_dataloader.dataset.pipeline)
    counts = {
        "training": count(batches, BATCH),
        "validation": count(padded_sizes(validation, 1, arguments.seed), 1),
    }
    keep(arguments.out, {**record, "graphs": counts, "limit": MOST_GRAPHS, "differences": differences})


def padded_sizes(dataset: Sized, batch: int, seed: int) -> list[tuple[int, int]]:
    """Returns the distinct (height, width) of an epoch's padded batches, in the order of their first use."""
    batches = ResumableBatchSampler(sampler(dataset, 0, 1, seed), batch, INNER["AspectRatioBatchSampler"])
    complete = np.array([one for one in batches if len(one) == batch])
    padded = -(-sizes_of(dataset, 0)[complete].max(axis=1) // DIVISOR) * DIVISOR
    return list(dict.fromkeys((int(height), int(width)) for width, height in padded))


def count(sizes: list[tuple[int, int]], images: int) -> dict[str, Any]:
    forget_graphs()
    torch.compile = partial(default_compile, backend="aot_eager")
    config = load_recipe(RECIPE, None).model.backbone
    config.update(init_cfg=None, embed_dims=2, depths=[2, 2, 2, 2], num_heads=[1, 1, 1, 1])
    backbone = MODELS.build(config)
    backbone.train(images > 1)
    use_sdpa_attention(backbone)
    compile_backbone(backbone)
    graphs, since = [], time.monotonic()
    for size in sizes:
        with torch.set_grad_enabled(backbone.training):
            backbone(torch.rand(images, 3, *size))
        graphs.append(counters["stats"]["unique_graphs"])
    torch.compile = default_compile
    result = {"sizes": len(sizes), "graphsAfterFirst": graphs[0], "graphs": graphs[-1]}
    result |= {"graphBreaks": sum(counters["graph_break"].values()), "seconds": time.monotonic() - since}
    print(images, result, flush=True)
    return result


def forget_graphs() -> None:
    torch._dynamo.reset()
    counters.clear()
    compiled_block.cache_clear()


def compare_blocks(seed: int, sizes: int) -> dict[str, Any]:
    """Returns the largest differences in training, relative to the largest value of a tensor."""
    random = np.random.default_rng(seed)
    drawn = [(int(random.integers(1, 4)), *random.integers(*SIDES, 2).tolist()) for _ in range(sizes)]
    differences = {}
    for shift in (False, True):
        forget_graphs()
        torch.manual_seed(seed)
        stock = SwinBlock(CHANNELS, HEADS, 4 * CHANNELS, shift=shift, drop_path_rate=0.2)
        for parameter in stock.parameters():
            torch.nn.init.normal_(parameter, std=0.2)
        fast = copy.deepcopy(stock)
        compile_backbone(fast)
        since = time.monotonic()
        largest = [compare_step(stock, fast, *one) for one in drawn]
        differences["with shift" if shift else "without shift"] = {
            "sizes": sizes,
            "outputs": max(outputs for outputs, _ in largest),
            "gradients": max(gradients for _, gradients in largest),
            "graphs": counters["stats"]["unique_graphs"],
            "seconds": time.monotonic() - since,
        }
        print(differences, flush=True)
    return differences


def compare_step(
    stock: torch.nn.Module, fast: torch.nn.Module, images: int, height: int, width: int
) -> tuple[float, float]:
    """Returns the largest relative differences of outputs and gradients. Requires the same random numbers."""
    tokens = torch.rand(images, height * width, CHANNELS)
    # With weights that cancel, a gradient would be rounding only.
    weights = torch.rand_like(tokens)
    results = []
    for block in (stock, fast):
        block.zero_grad()
        torch.manual_seed(3)
        inputs = tokens.clone().requires_grad_()
        output = block(inputs, (height, width))
        (output * weights).sum().backward()
        gradients = [inputs.grad, *(one.grad for one in block.parameters())]
        results.append(([output.detach()], gradients, torch.get_rng_state()))
    assert torch.equal(results[0][2], results[1][2])
    outputs, gradients = (max(map(relative, *pair)) for pair in zip(results[0][:2], results[1][:2], strict=True))
    return outputs, gradients


def relative(expected: Tensor, actual: Tensor) -> float:
    return ((actual - expected).abs().max() / expected.abs().max().clamp(min=1e-6)).item()


if __name__ == "__main__":
    main()
