"""Loads a converted detector to initialize training or to test it."""

import re
from collections.abc import Mapping, Sequence
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


def fit_to_classes(
    weights: dict[str, Tensor],
    model: Mapping[str, Tensor],
    classes: Sequence[str] | None = None,
    of_data: Sequence[str] | None = None,
) -> tuple[dict[str, Tensor], list[str]]:
    """Returns the tensors that `model` can load, and statements about the layers that depend on the classes.

    `classes` and `of_data` name the classes of weights and data in the order of their outputs, if known. As in
    MMDetection's fine-tuning, the layers start at random if the classes differ. Other shapes do not tell: equally many
    classes may be others, or the same ones in another order, which is corrected.
    Raises ValueError for a difference elsewhere: such a file belongs to another model.
    """
    match, count = compare_classes(weights, model, classes, of_data), class_count(weights)
    dropped = [
        key
        for key in model
        if key in weights
        and is_class_layer(key)
        and (
            weights[key].shape != model[key].shape
            or (match == "others" and depends_on_classes(key, weights[key], count))
        )
    ]
    kept = {key: tensor for key, tensor in weights.items() if key not in dropped}
    require_same(kept, {key: tensor for key, tensor in model.items() if key not in dropped})
    if match == "reordered" and classes and of_data:
        kept = reorder_classes(kept, [same_name(classes).index(name) for name in same_name(of_data)])
    statement = state_classes(match, weights, model, dropped, classes, of_data)
    return kept, [statement] if statement else []


def match_for_test(
    weights: dict[str, Tensor],
    model: Mapping[str, Tensor],
    classes: Sequence[str] | None,
    of_data: Sequence[str],
) -> tuple[dict[str, Tensor], list[str]]:
    """Returns the weights to test in the order of the classes of the data, and statements about the classes.

    Raises ValueError for the weights of another model.
    """
    require_same(weights, model)
    match = compare_classes(weights, model, classes, of_data)
    if match != "others":
        return fit_to_classes(weights, model, classes, of_data)
    return weights, [
        f"the detector's weights are for other classes ({format_names(classes)}) than the data "
        f"({format_names(of_data)}): the scores take the first for the first, and so on"
    ]


def compare_classes(
    weights: Mapping[str, Tensor],
    model: Mapping[str, Tensor],
    classes: Sequence[str] | None,
    of_data: Sequence[str] | None,
) -> str:
    """Returns `equal`, `reordered`, `others`, `other count` or `unknown`."""
    if class_count(dict(weights)) != class_count(dict(model)):
        return "other count"
    if not classes or not of_data or len(classes) != len(of_data):
        return "unknown"
    theirs, ours = same_name(classes), same_name(of_data)
    if theirs == ours:
        return "equal"
    is_permutation = sorted(theirs) == sorted(ours) and len(set(theirs)) == len(theirs)
    return "reordered" if is_permutation else "others"


def same_name(names: Sequence[str]) -> list[str]:
    """Returns names that are equal if they differ in case and spaces only."""
    return [re.sub(r"[\s_-]+", " ", name).strip().casefold() for name in names]


def reorder_classes(weights: dict[str, Tensor], order: list[int]) -> dict[str, Tensor]:
    """Returns weights whose class `i` is class `order[i]` of the given ones."""
    count = len(order)

    def reorder(key: str, tensor: Tensor) -> Tensor:
        if not depends_on_classes(key, tensor, count):
            return tensor
        per_class = 4 if ".fc_reg." in key else 1
        rows = [index * per_class + part for index in order for part in range(per_class)]
        # The background of fc_cls stays last.
        return tensor[rows + list(range(len(rows), len(tensor)))]

    return {key: reorder(key, tensor) for key, tensor in weights.items()}


def depends_on_classes(key: str, tensor: Tensor, classes: int | None) -> bool:
    """Returns whether a layer has outputs for each class; a class-agnostic regression has none."""
    if classes is None:
        return False
    rows = {"fc_cls": classes + 1, "fc_reg": 4 * classes, "conv_logits": classes}
    return any(f".{layer}." in key and len(tensor) == count for layer, count in rows.items())


def state_classes(
    match: str,
    weights: Mapping[str, Tensor],
    model: Mapping[str, Tensor],
    dropped: list[str],
    classes: Sequence[str] | None,
    of_data: Sequence[str] | None,
) -> str | None:
    layers = ", ".join(sorted({key.rpartition(".")[0] for key in dropped}))
    if match == "other count":
        return (
            f"the detector's weights are for {class_count(dict(weights))} classes, "
            f"the data have {class_count(dict(model))}: these layers start at random: {layers}"
        )
    if match == "others":
        return (
            f"the detector's weights are for other classes ({format_names(classes)}) than the data "
            f"({format_names(of_data)}): these layers start at random: {layers}"
        )
    if match == "reordered":
        return (
            f"the detector's weights have the classes of the data in another order ({format_names(classes)}): "
            f"their layers are reordered by name ({format_names(of_data)})"
        )
    if match == "unknown" and of_data:
        return (
            "the detector's weights do not name their classes: "
            f"they are taken for the classes of the data in this order: {format_names(of_data)}"
        )
    return None


def format_names(names: Sequence[str] | None) -> str:
    names = ["".join(one if one.isprintable() else "?" for one in name) for name in names or []]
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")


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
