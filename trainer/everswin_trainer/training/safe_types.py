"""Converts a state to the types that `torch.load(weights_only=True)` accepts."""

from collections import Counter
from typing import Any

import numpy as np
import torch


def to_safe_types(value: Any, path: str = "state") -> Any:
    """Returns `value` with NumPy scalars as Python numbers and every mapping but Counter as a dict.

    Raises ValueError with the path of a value that is no number, text, tensor or collection of these.
    """
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, torch.nn.Parameter):
        return value.detach()
    if value is None or type(value) in (bool, int, float, str, torch.Tensor):
        return value
    if type(value) is Counter:
        return Counter(to_safe_types(dict(value), path))
    if isinstance(value, dict):
        return {to_safe_types(key, path): to_safe_types(item, f"{path}.{key}") for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(to_safe_types(item, f"{path}[{index}]") for index, item in enumerate(value))
    raise ValueError(f"expected {path} to be plain numbers, text or tensors, got a {type(value).__name__}")
