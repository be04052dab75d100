"""Measures, in one rank, how gradients reduced over ranks differ from those of a single process."""

import json
from pathlib import Path

import torch
from mmengine.model import MMDistributedDataParallel
from torch.nn.functional import mse_loss

from everswin_trainer.training.rank import Rank


def compare_gradients(folder: Path, batch: int) -> int:
    """Writes `<rank>.json` for `batch` images per rank; `unreduced` is the difference before the reduction."""
    rank = Rank.from_environment("cpu")
    rank.connect()
    # The seed is the same on every rank.
    torch.manual_seed(1)
    images, targets = torch.randn(batch * rank.world, 3, 9, 9), torch.randn(batch * rank.world, 5)
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.GELU(), torch.nn.Flatten(), torch.nn.Linear(392, 5))
    own = slice(rank.number, None, rank.world)
    expected = gradients(model, model, images, targets)
    unreduced = gradients(model, model, images[own], targets[own])
    # The same wrapper as in build_config.py.
    wrapped = MMDistributedDataParallel(model, device_ids=None, broadcast_buffers=False)
    reduced = gradients(wrapped, model, images[own], targets[own])
    differences = {"reduced": distance(reduced, expected), "unreduced": distance(unreduced, expected)}
    (folder / f"{rank.number}.json").write_text(json.dumps(differences))
    torch.distributed.destroy_process_group()
    return 0


def gradients(
    called: torch.nn.Module, model: torch.nn.Module, images: torch.Tensor, targets: torch.Tensor
) -> list[torch.Tensor]:
    model.zero_grad()
    # The loss is a mean over images.
    mse_loss(called(images), targets).backward()
    return [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]


def distance(ours: list[torch.Tensor], theirs: list[torch.Tensor]) -> float:
    return max((first - second).abs().max().item() for first, second in zip(ours, theirs, strict=True))
