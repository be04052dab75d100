"""Captures and restores the state of a run as plain tensors and numbers.

A superset of what MMDetection's own tools read from a checkpoint (`state_dict`, `meta.dataset_meta`); loads with
`weights_only=True`. No generator states: see randomness.py.

The hooks of a recipe add their state, as in MMEngine. EMAHook swaps the weights: `state_dict` then holds the average,
which all readers test and export, and `ema_state_dict` the weights that training continues with.
"""

import copy
from pathlib import Path
from typing import Any, BinaryIO

import torch
from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner

from everswin_trainer.training.learning_rate import scale_learning_rate
from everswin_trainer.training.message_hub import from_plain, to_plain
from everswin_trainer.training.safe_types import to_safe_types


def capture(runner: Runner, epoch: int, iteration: int, learning_rate_factor: float) -> dict[str, Any]:
    """Returns the state after `epoch` epochs and `iteration` steps. It shares the model's tensors: see `Snapshots`."""
    state = {
        "meta": {
            "epoch": epoch,
            "iter": iteration,
            "iterations_per_epoch": len(runner.train_dataloader),
            "learning_rate_factor": learning_rate_factor,
            "base_learning_rate": getattr(runner, "base_learning_rate", None),
            "seed": runner.seed,
            "dataset_meta": {"classes": list(runner.train_dataloader.dataset.metainfo["classes"])},
        },
        "state_dict": bare_model(runner).state_dict(),
        "optimizer": runner.optim_wrapper.state_dict(),
        "param_schedulers": [scheduler.state_dict() for scheduler in runner.param_schedulers],
        "message_hub": to_plain(runner.message_hub),
    }
    runner.call_hook("before_save_checkpoint", checkpoint=state)
    return to_safe_types(state)


class Snapshots:
    """Copies captured states to the CPU, so that training does not change them while they are checked and written.

    Each copy overwrites the previous one, which must be written by then. Copying into newly allocated pages took ten
    times as long and blocks training.
    """

    def __init__(self) -> None:
        self._buffers: dict[tuple[Any, ...], torch.Tensor] = {}

    def take(self, value: Any, *location: Any) -> Any:
        """Returns a copy of `value`; `location` is its path in the state."""
        if isinstance(value, torch.Tensor):
            return self._buffer(value, location).copy_(value.detach())
        if type(value) is dict:
            return {key: self.take(item, *location, key) for key, item in value.items()}
        if type(value) in (list, tuple):
            return type(value)(self.take(item, *location, index) for index, item in enumerate(value))
        # Numbers, text, and the Counter that `to_safe_types` has just made.
        return value

    def _buffer(self, like: torch.Tensor, location: tuple[Any, ...]) -> torch.Tensor:
        buffer = self._buffers.get(location)
        if buffer is None or buffer.shape != like.shape or buffer.dtype != like.dtype:
            # A GPU copies into pinned memory at full speed.
            buffer = torch.empty_like(like, device="cpu", requires_grad=False, pin_memory=like.is_cuda)
            self._buffers[location] = buffer
        return buffer


def restore(runner: Runner, state: dict[str, Any], learning_rate_factor: float, from_other_plan: bool) -> None:
    """Restores a captured state into a newly built runner.

    Raises ValueError for a state of another plan from within an epoch: its batches differ from this plan's.
    """
    meta, loop = state["meta"], runner.train_loop
    if from_other_plan and not is_at_epoch_end(meta):
        raise ValueError(
            f"expected a checkpoint of another plan to be from the end of an epoch, got one of epoch {meta['epoch']}, "
            f"iteration {meta['iter']}"
        )
    bare_model(runner).load_state_dict(state["state_dict"])
    restore_optimizer(runner.optim_wrapper, state["optimizer"])
    for scheduler, saved in zip(runner.param_schedulers, state["param_schedulers"], strict=True):
        scheduler.load_state_dict(saved)
    # The checkpoint's learning rates already include the factor that it was trained with.
    ratio = learning_rate_factor / meta.get("learning_rate_factor", 1.0)
    base, base_before = getattr(runner, "base_learning_rate", None), meta.get("base_learning_rate")
    if from_other_plan and base and base_before:
        ratio *= base / base_before
    scale_learning_rate(runner.optim_wrapper, runner.param_schedulers, ratio)
    from_plain(runner.message_hub, state["message_hub"])
    loop._epoch = meta["epoch"]
    loop._iter = loop.epoch * len(loop.dataloader) if from_other_plan else meta["iter"]
    loop.dataloader.batch_sampler.skip = loop.iter - loop.epoch * len(loop.dataloader)


def restore_optimizer(wrapper: OptimWrapper, saved: dict[str, Any]) -> None:
    """Restores the optimizer, also between mixed and full precision. A missing loss scaler starts with defaults.

    Keeps no tensor of `saved`: the file that it is mapped from is deleted during training.
    """
    if not hasattr(wrapper, "loss_scaler"):
        saved.pop("loss_scaler", None)
    # The fused flag is a setting of this run, not part of the saved state.
    for group, own in zip(saved["param_groups"], wrapper.optimizer.param_groups, strict=False):
        if "fused" in own:
            group["fused"] = own["fused"]
    wrapper.load_state_dict(saved)
    for parameter, moments in wrapper.optimizer.state.items():
        for name, value in moments.items():
            # The fused kernel needs equal strides, and another plan may have used a different memory layout.
            if value.shape == parameter.shape and value.stride() != parameter.stride():
                moments[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
            elif value.device.type == "cpu":
                moments[name] = value.clone()
    # OptimWrapper keeps this part, which has a tensor, as it was loaded.
    wrapper.base_param_settings = copy.deepcopy(wrapper.base_param_settings)


def is_at_epoch_end(meta: dict[str, Any]) -> bool:
    """Returns whether a state is from the end of an epoch. Infers `iterations_per_epoch` for old checkpoints."""
    per_epoch = meta.get("iterations_per_epoch", meta["iter"] // max(1, meta["epoch"]))
    return meta["iter"] == meta["epoch"] * per_epoch


def write(state: dict[str, Any], stream: BinaryIO) -> None:
    torch.save(state, stream)


def size_in_bytes(value: Any) -> int:
    """Returns the size of all tensors in a state, which is nearly the size of its file."""
    if isinstance(value, torch.Tensor):
        return value.nbytes
    if isinstance(value, dict):
        return sum(size_in_bytes(item) for item in value.values())
    if isinstance(value, (list, tuple)):
        return sum(size_in_bytes(item) for item in value)
    return 0


def read(path: Path) -> dict[str, Any]:
    """Returns a state without running code from the file. Raises torch's error if the file contains code.

    Its tensors are mapped from the file, so that ranks share their memory and copy them once. Copy those to keep.
    """
    return torch.load(path, map_location="cpu", weights_only=True, mmap=True)


def all_weights(state: dict[str, Any]) -> dict[str, torch.Tensor]:
    """Returns the weights of a state, with those behind them if they are an average."""
    return {**state["state_dict"], **state.get("ema_state_dict", {})}


def weights_are_finite(state: dict[str, Any]) -> bool:
    """Returns whether all weights are finite; a state with NaN or infinity cannot be resumed."""
    return all(bool(torch.isfinite(one).all()) for one in all_weights(state).values())


def bare_model(runner: Runner) -> torch.nn.Module:
    return runner.model.module if is_model_wrapper(runner.model) else runner.model
