"""Loads a converted detector to initialize training or to test it."""

from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor

from everswin_trainer.model.detector_weights import class_count
from everswin_trainer.model.weights import require_converted

# Layers with one output for each class, or several.
CLASS_LAYERS = ("fc_cls", "fc_reg", "conv_logits")


def load_detector(path: Path) -> dict[str, Tensor]:
    """Loads weights that `convert-weights` wrote. Raises ValueError for any other file."""
    require_converted(path)
    return load_file(path, device="cpu")


def fit_to_classes(weights: dict[str, Tensor], model: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    """Returns the tensors that `model` can load, and a warning for layers that differ in the number of classes.

    Raises ValueError for any other difference: such a file belongs to another model.
    """
    of_other_classes = [
        key for key in model if key in weights and weights[key].shape != model[key].shape and is_class_layer(key)
    ]
    kept = {key: tensor for key, tensor in weights.items() if key not in of_other_classes}
    require_same(kept, {key: tensor for key, tensor in model.items() if key not in of_other_classes})
    if not of_other_classes:
        return kept, []
    layers = sorted({key.rpartition(".")[0] for key in of_other_classes})
    message = (
        f"the detector's weights are for {class_count(weights)} classes, the data have {class_count(dict(model))}: "
        f"these layers start at random: {', '.join(layers)}"
    )
    return kept, [message]


def require_same(weights: Mapping[str, Tensor], model: Mapping[str, Tensor]) -> None:
    """Compares names and shapes. Raises ValueError with the first differences."""
    differences = [f"{key} is missing" for key in model if key not in weights]
    differences += [f"{key} is unexpected" for key in weights if key not in model]
    differences += [
        f"{key} is {list(weights[key].shape)} instead of {list(tensor.shape)}"
        for key, tensor in model.items()
        if key in weights and weights[key].shape != tensor.shape
    ]
    if differences:
        more = f" and {len(differences) - 8} more" if len(differences) > 8 else ""
        raise ValueError(f"the detector's weights are not of this model: {', '.join(differences[:8])}{more}")


def is_class_layer(key: str) -> bool:
    return any(f".{layer}." in key for layer in CLASS_LAYERS)
