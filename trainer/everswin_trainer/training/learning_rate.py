"""Another learning rate for a run that is under way: everything that remembers one is multiplied by the same number."""

from typing import Any

from mmengine.optim import OptimWrapper


def scale_learning_rate(wrapper: OptimWrapper, schedulers: list[Any], ratio: float) -> None:
    """Groups with multipliers of their own keep their proportions. A ratio of 1 touches nothing."""
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
