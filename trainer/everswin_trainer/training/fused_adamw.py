"""AdamW in one kernel for all parameters that share their settings."""

from typing import Any

import torch
from mmengine.registry import OPTIMIZERS

Group = dict[str, Any]


@OPTIMIZERS.register_module()
class FusedAdamW(torch.optim.AdamW):
    """torch's fused AdamW over as few calls as there are settings.

    MMEngine makes a group of every parameter as soon as a recipe has decay multipliers: hundreds of calls a step, for
    which the GPU waits. Groups and state stay as they are, so checkpoints have the layout of the stock optimizer's.
    """

    def __init__(self, params: Any, **settings: Any) -> None:
        super().__init__(params, fused=True, **settings)

    def step(self, closure: Any = None) -> Any:
        groups = self.param_groups
        self.param_groups = joined(groups)
        try:
            return super().step(closure)
        finally:
            self.param_groups = groups


def joined(groups: list[Group]) -> list[Group]:
    """One group for all of equal settings; parameters in their order."""
    by_settings: dict[tuple[Any, ...], Group] = {}
    for group in groups:
        settings = {name: value for name, value in group.items() if name != "params"}
        key = tuple(sorted(settings.items()))
        by_settings.setdefault(key, {**settings, "params": []})["params"].extend(group["params"])
    return list(by_settings.values())
