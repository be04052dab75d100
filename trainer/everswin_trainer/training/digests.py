"""Hashes of what an epoch trained on and led to. They show whether a repetition of the epoch equals it."""

import hashlib
import random
from typing import Any

import numpy as np
import torch


def hash_random_state() -> str:
    """Returns the SHA-256 of the state of all generators of this rank: Python, NumPy, torch and its GPU."""
    digest = hashlib.sha256(repr(random.getstate()).encode())
    digest.update(
        repr([part.tolist() if isinstance(part, np.ndarray) else part for part in np.random.get_state()]).encode()
    )
    digest.update(torch.get_rng_state().numpy())
    if torch.cuda.is_initialized():
        digest.update(torch.cuda.get_rng_state().numpy())
    return digest.hexdigest()


def hash_tensors(state: dict[Any, Any]) -> str:
    """Returns the SHA-256 over names, types, shapes and values of all tensors and numbers of a state on the CPU.

    The layout in memory does not affect it.
    """
    digest = hashlib.sha256()
    _add(digest, state, "")
    return digest.hexdigest()


def _add(digest: Any, value: Any, name: str) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            _add(digest, item, f"{name}.{key}")
    elif isinstance(value, torch.Tensor):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy())
    else:
        digest.update(f"{name} {value!r}\n".encode())
