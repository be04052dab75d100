"""Lets MMEngine load the files of convert-weights; without this it would hand them to torch.load, which cannot."""

from typing import Any

from mmengine.runner import CheckpointLoader
from safetensors.torch import load_file

# Before the path: an object of the store is named by its hash and has no suffix that could tell.
SCHEME = "safetensors:"


@CheckpointLoader.register_scheme(prefixes=SCHEME)
def load_from_safetensors(filename: str, map_location: Any = None) -> dict[str, Any]:
    """Raises SafetensorError."""
    return load_file(filename.removeprefix(SCHEME), device="cpu" if map_location is None else str(map_location))
