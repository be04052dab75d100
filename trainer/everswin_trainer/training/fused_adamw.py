"""AdamW that updates all parameters with equal settings in one kernel."""

from typing import Any

import torch
from mmengine.registry import OPTIMIZERS

Group = dict[str, Any]


@OPTIMIZERS.register_module()
class FusedAdamW(torch.optim.AdamW):
    """Fused AdamW of torch with one call per distinct setting.

    With decay multipliers, MMEngine makes one group per parameter: the GPU waits for hundreds of calls in each step.
    Groups and state do not change, so checkpoints keep the layout of the stock optimizer.
    """

    def __init__(self, params: Any, **settings: Any) -> None:
        super().__init__(params, fused=True, **settings)

    def step(self, closure: Any = None) -> Any:
        groups = self.param_groups
        self.param_groups = merge_groups(groups)
        try:
            return super().step(closure)
        finally:
            self.param_groups = groups


def merge_groups(groups: list[Group]) -> list[Group]:
    """Merges groups with equal settings; parameters keep their order."""
    by_settings: dict[tuple[Any, ...], Group] = {}
    for group in groups:
        settings = {name: value for name, value in group.items() if name != "params"}
        key = tuple(sorted(settings.items()))
        by_settings.setdefault(key, {**settings, "params": []})["params"].extend(group["params"])
    return list(by_settings.values())
