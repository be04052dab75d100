"""Turns a recipe into a config that MMDetection loads without this project."""

from typing import Any

from mmengine.config import Config

from everswin_trainer.analysis.drawing import color_of
from everswin_trainer.model.build_config import set_classes
from everswin_trainer.model.recipe import flatten

# Settings of our own training loop, which MMDetection's tools do not know.
OWN_SETTINGS = ("images_at_once",)
HEADER = """\
# {title}
# Self-contained: needs MMDetection only. MODEL_CARD.md shows how to load it.
# To test or train with your own files, change data_root, ann_file and data_prefix of the data loaders.
"""


def detector_config(recipe: Config, classes: list[str], category_ids: list[int]) -> Config:
    """Returns the recipe with the classes of the data in every head and every data set, and without pretraining."""
    config = Config(recipe.to_dict())
    for name in OWN_SETTINGS:
        config.pop(name, None)
    config.default_scope = "mmdet"
    config.load_from, config.resume = None, False
    set_classes(config.model, len(classes))
    # The weights of the file replace those of ImageNet, and already have MMDetection's layout.
    config.model.backbone.init_cfg = None
    if "convert_weights" in config.model.backbone:
        config.model.backbone.convert_weights = False
    for loader in ("train_dataloader", "val_dataloader", "test_dataloader"):
        if config.get(loader):
            _set_metainfo(config[loader].dataset, classes)
    # MMDetection ignores it. `predict` writes these ids, which are those of the training data.
    config.category_ids = category_ids
    return config


def palette(count: int) -> list[tuple[int, int, int]]:
    """Returns the colors of the classes as RGB, the same as in the report's gallery."""
    return [color_of(label)[::-1] for label in range(count)]


def _set_metainfo(dataset: Any, classes: list[str]) -> None:
    """Sets the classes of a data set, also inside wrappers such as RepeatDataset."""
    if "dataset" in dataset:
        _set_metainfo(dataset.dataset, classes)
        return
    dataset.metainfo = {"classes": tuple(classes), "palette": palette(len(classes))}


def to_text(config: Config, title: str) -> bytes:
    """Returns the config as a Python file."""
    # MMEngine replaces {{ }} in a config's text. In our text it occurs only within strings, such as a class name.
    text = flatten(config).replace("{{", "{\\x7b")
    comment = title.replace("\n", " ").replace("{{", "{ {")
    # An escape is valid in every string literal, so a lone surrogate stays what it is.
    return (HEADER.format(title=comment) + text).encode("utf-8", "backslashreplace")
