"""Flattens a recipe to one text, which the plan's hash covers and the report shows. Imports only mmengine's Config."""

import argparse
import hashlib
import math
import pprint
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.config import config as mmengine_config

from everswin_trainer.job.plan import Plan
from everswin_trainer.system.atomic_file import write_json

TEXT_WIDTH = 120
# Transforms whose effect on the size of an image is known before it is loaded (training/image_sizes.py).
KNOWN_SIZE = frozenset(
    (
        "LoadAnnotations",
        "LoadImageFromFile",
        "PackDetInputs",
        "RandomChoice",
        "RandomChoiceResize",
        "RandomCrop",
        "RandomFlip",
        "Resize",
    )
)
search_model_index = mmengine_config._get_external_cfg_path


def find_config(package_path: str, name: str) -> str:
    """Finds a config of MMDetection, as MMEngine does, but not a base in the index of models.

    That index consists of a hundred YAML files, contains no base, and is parsed again for each base.
    """
    if name.startswith("_base_/"):
        # MMEngine then reads the file of that name.
        raise ValueError(name)
    return search_model_index(package_path, name)


mmengine_config._get_external_cfg_path = find_config


def main(argv: list[str]) -> int:
    """Writes {v, name, text, settings, sha256, maxEpochs, summary}. With a plan, checks that the recipe matches it."""
    parser = argparse.ArgumentParser(prog="everswin_trainer recipe")
    parser.add_argument("--recipe", type=Path, required=True)
    parser.add_argument("--plan", type=Path, help="refuse a recipe that differs from the one in this plan")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args(argv)
    config = load_recipe(arguments.recipe, Plan.load(arguments.plan) if arguments.plan else None)
    write_json(
        arguments.out,
        {
            "v": 1,
            "name": arguments.recipe.stem,
            "text": flatten(config),
            "settings": to_json(config.to_dict()),
            "sha256": fingerprint(config),
            "maxEpochs": config.train_cfg.max_epochs,
            "summary": summarize(config),
        },
    )
    return 0


def load_recipe(path: Path, plan: Plan | None) -> Config:
    """Loads a recipe with all its bases. Raises ValueError if it differs from the one in the plan."""
    config = Config.fromfile(str(path))
    if plan is not None and fingerprint(config) != plan.recipe_sha256:
        raise ValueError(
            f"expected {path} to be the recipe {plan.recipe_name} with sha256 {plan.recipe_sha256}, got "
            f"{fingerprint(config)}: it changed since the plan was made. Start a new run for the new recipe"
        )
    return config


def flatten(config: Config) -> str:
    """Returns all settings as one text, a valid config with sorted keys and without paths of this machine."""
    # Not Config.pretty_text: that formats with yapf for more than a second, at every start of a trainer.
    settings = sorted(config.to_dict().items())
    return "".join(f"{key} = {pprint.pformat(value, width=TEXT_WIDTH)}\n" for key, value in settings)


def to_json(value: Any) -> Any:
    """Returns `value` in JSON's types. What JSON cannot hold (infinity, a class) becomes its repr."""
    if isinstance(value, dict):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    is_json = value is None or isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value))
    return value if is_json else repr(value)


def fingerprint(config: Config) -> str:
    return hashlib.sha256(flatten(config).encode()).hexdigest()


def milestones(config: Config) -> list[int]:
    """Returns the epochs after which the learning rate falls."""
    return [epoch for one in config.param_scheduler if one.get("by_epoch", True) for epoch in one.get("milestones", [])]


def summarize(config: Config) -> dict[str, Any]:
    """Returns the most important settings."""
    heads = config.model.roi_head.bbox_head if "roi_head" in config.model else []
    wrapper = config.optim_wrapper
    return {
        "milestones": milestones(config),
        "optimizer": wrapper.optimizer.type,
        "lr": wrapper.optimizer.lr,
        "precision": "fp16" if wrapper.get("type") == "AmpOptimWrapper" else "fp32",
        "boxHeads": sorted({head.type for head in (heads if isinstance(heads, list) else [heads])}),
        # Images of a rank's batch in memory at a time (build_config.py).
        "imagesAtOnce": config.get("images_at_once"),
        "baseBatch": config.get("auto_scale_lr", {}).get("base_batch_size"),
        # Absent without an average, as in the plans of earlier versions.
        **weight_average(config),
        **no_group_by_size(config),
    }


def weight_average(config: Config) -> dict[str, Any]:
    """Returns the moving average of the weights that the recipe's EMAHook keeps; empty without the hook."""
    hooks = [hook for hook in config.get("custom_hooks") or [] if hook.get("type") == "EMAHook"]
    # Both defaults are MMEngine's.
    averages = [
        {"type": hook.get("ema_type", "ExponentialMovingAverage"), "momentum": hook.get("momentum", 0.0002)}
        for hook in hooks
    ]
    return {"weightAverage": averages[0]} if averages else {}


def no_group_by_size(config: Config) -> dict[str, Any]:
    """Returns why groupBySize cannot choose the batches of the recipe; empty if it can."""
    loader = config.train_dataloader
    sampler = (loader.get("batch_sampler") or {}).get("type", "AspectRatioBatchSampler")
    unknown = [name for name in transform_types(loader.dataset.get("pipeline", [])) if name not in KNOWN_SIZE]
    if sampler != "AspectRatioBatchSampler":
        return {"noGroupBySize": f"its batch sampler is {sampler}"}
    if loader.dataset.type != "CocoDataset":
        return {"noGroupBySize": f"its data set is a {loader.dataset.type}"}
    if unknown:
        return {"noGroupBySize": f"the sizes of images after {unknown[0]} are unknown before they are loaded"}
    return {}


def transform_types(part: Any) -> list[str]:
    """Returns the types of the transforms of a pipeline, those within others too."""
    if isinstance(part, dict):
        return [part["type"], *transform_types(part.get("transforms", []))]
    return [name for inner in part for name in transform_types(inner)]
