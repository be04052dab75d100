"""Values that `torch.load(weights_only=True)` reads: a checkpoint must never be written that it would refuse."""

from collections import Counter
from typing import Any

import numpy as np
import torch


def plain(value: Any, place: str = "state") -> Any:
    """`value` with numpy's numbers as Python's and every mapping but Counter as a dict.

    Raises ValueError naming the place of anything that is no number, text, tensor or collection of these.
    """
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, torch.nn.Parameter):
        return value.detach()
    if value is None or type(value) in (bool, int, float, str, torch.Tensor):
        return value
    if type(value) is Counter:
        return Counter(plain(dict(value), place))
    if isinstance(value, dict):
        return {plain(key, place): plain(item, f"{place}.{key}") for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(plain(item, f"{place}[{index}]") for index, item in enumerate(value))
    raise ValueError(f"expected {place} to be plain numbers, text or tensors, got a {type(value).__name__}")
