"""Compares, in one rank, gradients reduced over ranks with those of a single process, and DDP's settings."""

import copy
import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.model import MMDistributedDataParallel
from torch.nn.functional import mse_loss

from everswin_trainer.model.build_config import set_model_wrapper
from everswin_trainer.training.rank import Rank

STEPS = 4
# As MMEngine calls it without settings.
STOCK = {"device_ids": None, "broadcast_buffers": False}


def compare_gradients(folder: Path, batch: int) -> int:
    """Writes `<rank>.json` for `batch` images per rank.

    `reduced` and `unreduced` are the differences after and before the reduction. `changed` counts the weights in which
    training with the trainer's settings differs from training with MMEngine's.
    """
    rank = Rank.from_environment("cpu")
    rank.connect()
    rank.set_threads()
    # The seed is the same on every rank.
    torch.manual_seed(1)
    images, targets = torch.randn(batch * rank.world, 3, 9, 9), torch.randn(batch * rank.world, 5)
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.GELU(), torch.nn.Flatten(), torch.nn.Linear(392, 5))
    config = Config({})
    set_model_wrapper(config, "cpu")
    ours = {name: value for name, value in config.model_wrapper_cfg.items() if name != "type"}
    own = slice(rank.number, None, rank.world)
    trained = [train(copy.deepcopy(model), images[own], targets[own], settings) for settings in (STOCK, ours)]
    expected = gradients(model, model, images, targets)
    unreduced = gradients(model, model, images[own], targets[own])
    reduced = gradients(MMDistributedDataParallel(model, **ours), model, images[own], targets[own])
    differences = {
        "reduced": distance(reduced, expected),
        "unreduced": distance(unreduced, expected),
        "changed": sum(not torch.equal(*pair) for pair in zip(*trained, strict=True)),
    }
    (folder / f"{rank.number}.json").write_text(json.dumps(differences))
    torch.distributed.destroy_process_group()
    return 0


def train(
    model: torch.nn.Module, images: torch.Tensor, targets: torch.Tensor, settings: dict[str, Any]
) -> list[torch.Tensor]:
    """Trains in steps of two micro-batches, of which only the last is reduced, with clipping. Returns the weights."""
    wrapped = MMDistributedDataParallel(model, bucket_cap_mb=0.01, **settings)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    for _ in range(STEPS):
        for part in range(2):
            with nullcontext() if part else wrapped.no_sync():
                mse_loss(wrapped(images[part::2]), targets[part::2]).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.1)
        optimizer.step()
        optimizer.zero_grad()
    return [parameter.detach() for parameter in model.parameters()]


def gradients(
    called: torch.nn.Module, model: torch.nn.Module, images: torch.Tensor, targets: torch.Tensor
) -> list[torch.Tensor]:
    model.zero_grad()
    # The loss is a mean over images.
    mse_loss(called(images), targets).backward()
    return [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]


def distance(ours: list[torch.Tensor], theirs: list[torch.Tensor]) -> float:
    return max((first - second).abs().max().item() for first, second in zip(ours, theirs, strict=True))
