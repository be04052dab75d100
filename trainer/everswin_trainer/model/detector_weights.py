"""Weights of a whole detector -> the layout of this MMDetection.

Read are the released checkpoints of the Swin authors' detection repository (MMDetection 2.11, their own backbone), and
files that have our layout already: our own checkpoints, or what was converted before.

Between MMDetection 2.11 and 3.x nothing outside the backbone changed its name, its order or its meaning: neck, RPN and
heads are taken letter for letter. In both, classes come in one order, the background last, and the regression is class
by class, (dx, dy, dw, dh) each. The backbone is another implementation: other names, and patches merged in another
order.
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
    read_tensors,
)

# A key of the Swin authors' backbone; MMDetection's own has `stages`.
SWIN_LAYERS = f"{PREFIX}layers."
FIRST_CLASSIFIER = ("roi_head.bbox_head.0.fc_cls.weight", "roi_head.bbox_head.fc_cls.weight")
# LVIS has 1,203. A model of a number that a file made up would fill the memory.
MOST_CLASSES = 2_000


def read_detector(path: Path, model: Any) -> dict[str, Tensor]:
    """Tensors in our layout, by name. `model` is the recipe's config of it. Raises weights.Refused."""
    given = read_tensors(path)
    if not holds_detector(given):
        raise Refused(
            f"{path.name} holds no detector (nothing of a neck, an RPN or heads): "
            "weights of a backbone alone are named in weights.backbone"
        )
    return convert_detector(given, model)


def convert_detector(given: dict[str, Tensor], model: Any) -> dict[str, Tensor]:
    """Raises Refused."""
    if not model.backbone.get("convert_weights") or not any(key.startswith(SWIN_LAYERS) for key in given):
        return given
    backbone = {key.removeprefix(PREFIX): tensor for key, tensor in given.items() if key.startswith(PREFIX)}
    others = {key: tensor for key, tensor in given.items() if not key.startswith(PREFIX)}
    return from_swin_layout(backbone) | others


def class_count(tensors: dict[str, Tensor]) -> int | None:
    """How many classes its heads tell apart; None without a box head. Raises Refused for what no data set has."""
    found = [tensors[key] for key in FIRST_CLASSIFIER if key in tensors]
    if not found or found[0].ndim == 0:
        return None
    # One row more, the last, for the background.
    count = len(found[0]) - 1
    if not 1 <= count <= MOST_CLASSES:
        raise Refused(f"its heads tell {count} classes apart; expected 1 to {MOST_CLASSES}")
    return count


def expected_detector(model: Any, classes: int | None) -> dict[str, Tensor]:
    """What the recipe's model learns, and its buffers; with as many classes as the recipe says, if None."""
    settings = copy.deepcopy(model)
    settings.backbone.init_cfg = None
    if classes is not None:
        set_classes(settings, classes)
    return build_model(settings).state_dict()


def add_derived(given: dict[str, Tensor], expected: dict[str, Tensor]) -> dict[str, Tensor]:
    """With the derived tables that a file may lack, so that it can be loaded strictly."""
    return {key: tensor for key, tensor in expected.items() if key.endswith(DERIVED)} | given
