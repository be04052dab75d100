"""Scales the learning rate of a running training, in the optimizer and in its schedulers."""

from typing import Any

from mmengine.optim import OptimWrapper


def scale_learning_rate(wrapper: OptimWrapper, schedulers: list[Any], ratio: float) -> None:
    """Multiplies all learning rates by `ratio`; groups keep their proportions."""
    if ratio == 1:
        return
    for group in wrapper.param_groups:
        for name in ("lr", "initial_lr"):
            if name in group:
                group[name] *= ratio
    for scheduler in schedulers:
        if scheduler.param_name == "lr":
            scheduler.base_values = [value * ratio for value in scheduler.base_values]
            scheduler._last_value = [value * ratio for value in scheduler.get_last_value()]
