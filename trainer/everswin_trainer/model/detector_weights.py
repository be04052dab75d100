"""Converts the weights of a whole detector to the layout of this MMDetection.

Reads the checkpoints that the Swin authors' detection repository released (MMDetection 2.11 with its own backbone),
and files in our layout: our own checkpoints and converted files.

Outside the backbone, MMDetection 2.11 and 3.x agree in names, order and meaning, so neck, RPN and heads are copied
unchanged. Both put the background class last and regress (dx, dy, dw, dh) per class. The backbones are different
implementations: their names differ, and they merge patches in a different order.
"""

import copy
from pathlib import Path
from typing import Any

from torch import Tensor

from everswin_trainer.model.build_config import set_classes
from everswin_trainer.model.weights import (
    DERIVED,
    PREFIX,
    Refused,
    build_model,
    from_swin_layout,
    holds_detector,
    load_content,
    named_tensors,
)

# A key of the Swin authors' backbone; MMDetection's own has `stages`.
SWIN_LAYERS = f"{PREFIX}layers."
FIRST_CLASSIFIER = ("roi_head.bbox_head.0.fc_cls.weight", "roi_head.bbox_head.fc_cls.weight")
# LVIS has 1,203. The limit keeps a hostile file from building a model that fills the memory.
MAX_CLASSES = 2_000
MAX_NAME_CHARACTERS = 200


def read_detector(path: Path, model: Any) -> dict[str, Tensor]:
    """Returns tensors in our layout, by name. `model` is its config in the recipe. Raises weights.Refused."""
    return detector_tensors(load_content(path), path, model)


def detector_tensors(content: Any, path: Path, model: Any) -> dict[str, Tensor]:
    """Does the same with the content of a file."""
    tensors = named_tensors(content, path)
    if not holds_detector(tensors):
        raise Refused(
            f"{path.name} holds no detector (nothing of a neck, an RPN or heads): "
            "weights of a backbone alone are named in weights.backbone"
        )
    return convert_detector(tensors, model)


def convert_detector(tensors: dict[str, Tensor], model: Any) -> dict[str, Tensor]:
    """Renames the backbone's tensors to our layout. Raises Refused."""
    if not model.backbone.get("convert_weights") or not any(key.startswith(SWIN_LAYERS) for key in tensors):
        return tensors
    backbone = {key.removeprefix(PREFIX): tensor for key, tensor in tensors.items() if key.startswith(PREFIX)}
    others = {key: tensor for key, tensor in tensors.items() if not key.startswith(PREFIX)}
    return from_swin_layout(backbone) | others


def class_names(content: Any) -> list[str] | None:
    """Returns the names of the classes that a checkpoint states, in the order of its outputs; None without them.

    MMDetection 3 writes meta.dataset_meta.classes, MMDetection 2 wrote meta.CLASSES.
    """
    meta = content.get("meta") if isinstance(content, dict) else None
    if not isinstance(meta, dict):
        return None
    data = meta.get("dataset_meta")
    data = data if isinstance(data, dict) else {}
    for names in (data.get("classes"), data.get("CLASSES"), meta.get("CLASSES")):
        if isinstance(names, (list, tuple)) and 0 < len(names) <= MAX_CLASSES and all(map(is_name, names)):
            return list(names)
    return None


def is_name(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_NAME_CHARACTERS and value.isprintable()


def class_count(tensors: dict[str, Tensor]) -> int | None:
    """Returns the number of classes, or None without a box head. Raises Refused for an implausible number."""
    classifiers = [tensors[key] for key in FIRST_CLASSIFIER if key in tensors]
    if not classifiers or classifiers[0].ndim == 0:
        return None
    # The last row is the background.
    count = len(classifiers[0]) - 1
    if not 1 <= count <= MAX_CLASSES:
        raise Refused(f"its heads have {count} classes; expected 1 to {MAX_CLASSES}")
    return count


def expected_detector(model: Any, classes: int | None) -> dict[str, Tensor]:
    """Returns the parameters and buffers of the recipe's model, with the recipe's classes if `classes` is None."""
    settings = copy.deepcopy(model)
    settings.backbone.init_cfg = None
    if classes is not None:
        set_classes(settings, classes)
    return build_model(settings).state_dict()


def add_derived(tensors: dict[str, Tensor], expected: dict[str, Tensor]) -> dict[str, Tensor]:
    """Adds the derived buffers that a file may lack, so that it can be loaded strictly."""
    return {key: tensor for key, tensor in expected.items() if key.endswith(DERIVED)} | tensors
