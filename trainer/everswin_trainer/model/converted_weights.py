"""Registers a loader for the safetensors files of convert-weights; MMEngine would pass them to torch.load."""

from typing import Any

from mmengine.runner import CheckpointLoader
from safetensors.torch import load_file

# A prefix of the path: objects in the store are named by hash and have no suffix.
SCHEME = "safetensors:"


@CheckpointLoader.register_scheme(prefixes=SCHEME)
def load_from_safetensors(filename: str, map_location: Any = None) -> dict[str, Any]:
    """Loads tensors by name. Raises SafetensorError."""
    return load_file(filename.removeprefix(SCHEME), device="cpu" if map_location is None else str(map_location))
