"""Lets MMEngine load the files of convert-weights; without this it would hand them to torch.load, which cannot."""

from typing import Any

from mmengine.runner import CheckpointLoader
from safetensors.torch import load_file


# MMEngine matches paths with regular expressions.
@CheckpointLoader.register_scheme(prefixes=r".*\.safetensors$")
def load_from_safetensors(filename: str, map_location: Any = None) -> dict[str, Any]:
    """Raises SafetensorError."""
    return load_file(filename, device="cpu" if map_location is None else str(map_location))
