"""Everything that decides how a run goes on, as plain tensors and numbers, and how it is put back.

A superset of what MMDetection's own tools read from a checkpoint (`state_dict`, `meta.dataset_meta`); loads with
`weights_only=True`. No generator states: see randomness.py.
"""

from pathlib import Path
from typing import Any, BinaryIO

import torch
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from .message_hub import from_plain, to_plain
from .plain import plain


def capture(runner: Runner, epoch: int, iteration: int) -> dict[str, Any]:
    """The state after `epoch` whole epochs and `iteration` steps. Its tensors are live: save before going on."""
    state = {
        "meta": {
            "epoch": epoch,
            "iter": iteration,
            "seed": runner.seed,
            "dataset_meta": {"classes": list(runner.train_dataloader.dataset.metainfo["classes"])},
        },
        "state_dict": bare_model(runner).state_dict(),
        "optimizer": runner.optim_wrapper.state_dict(),
        "param_schedulers": [scheduler.state_dict() for scheduler in runner.param_schedulers],
        "message_hub": to_plain(runner.message_hub),
    }
    return plain(state)


def restore(runner: Runner, state: dict[str, Any]) -> None:
    """Puts a captured state into a runner that has built everything and done nothing yet."""
    bare_model(runner).load_state_dict(state["state_dict"])
    runner.optim_wrapper.load_state_dict(state["optimizer"])
    for scheduler, saved in zip(runner.param_schedulers, state["param_schedulers"], strict=True):
        scheduler.load_state_dict(saved)
    from_plain(runner.message_hub, state["message_hub"])
    loop = runner.train_loop
    loop._epoch, loop._iter = state["meta"]["epoch"], state["meta"]["iter"]
    loop.dataloader.batch_sampler.skip = loop.iter - loop.epoch * len(loop.dataloader)


def write(state: dict[str, Any], stream: BinaryIO) -> None:
    torch.save(state, stream)


def read(path: Path) -> dict[str, Any]:
    """Tensors on the CPU. Runs no code of the file; raises what torch raises if the file asks for it."""
    return torch.load(path, map_location="cpu", weights_only=True)


def weights_are_finite(runner: Runner) -> bool:
    """False once a NaN or an infinity has reached the model: nothing that could be resumed."""
    return all(bool(torch.isfinite(one).all()) for one in bare_model(runner).state_dict().values())


def bare_model(runner: Runner) -> torch.nn.Module:
    return runner.model.module if is_model_wrapper(runner.model) else runner.model
