"""Builds the configuration for MMEngine's Runner from the recipe, the plan and this machine."""

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict

from everswin_trainer.data import zip_images  # noqa: F401  (registers the backend that images are read with)
from everswin_trainer.data.dataset import PreparedData
from everswin_trainer.job.control import TrainerControl
from everswin_trainer.job.plan import Plan
from everswin_trainer.job.speed import Speed
from everswin_trainer.model.converted_weights import SCHEME
from everswin_trainer.model.fewer_syncs.types import use_fewer_syncs
from everswin_trainer.model.recipe import flatten, milestones
from everswin_trainer.model.weights import looks_like_safetensors

# MMDetection's wrapper that mixes each image with others.
MIXED = "MultiImageMixDataset"


@dataclass(frozen=True)
class BuiltConfig:
    """The configuration, and warnings for the report about each deviation from the recipe."""

    config: Config
    warnings: list[str]


class QuickTextConfig(Config):
    """A config formatted without yapf: MMEngine logs it several times, and yapf takes over a second each time."""

    @property
    def pretty_text(self) -> str:
        return flatten(self)


def build_config(
    recipe: Config,
    plan: Plan,
    control: TrainerControl,
    data: PreparedData,
    work_dir: Path,
    device: str,
    weights: Path | None,
) -> BuiltConfig:
    """Fills in what a recipe leaves open. `weights` is None if a checkpoint is loaded instead."""
    config = QuickTextConfig(recipe.to_dict())
    warnings: list[str] = []
    config.default_scope = "mmdet"
    config.work_dir = str(work_dir)
    config.launcher = "pytorch"
    config.randomness = {"seed": plan.seed}
    config.load_from, config.resume = None, False
    _set_data(config, plan, data)
    set_classes(config.model, len(data.classes()))
    _set_weights(config.model.backbone, weights)
    _set_epochs(config, plan, warnings)
    _set_hooks(config, plan)
    _set_learning_rate(config, plan, warnings)
    _apply_control(config, plan, control, warnings)
    _set_parts(config, plan, control, warnings)
    set_model_wrapper(config, device)
    if device == "cpu":
        _fit_cpu(config, warnings)
    _set_virtual_ranks(config, plan, control, warnings)
    _set_speed(config, plan.speed, device, warnings)
    return BuiltConfig(config, warnings)


def _set_data(config: Config, plan: Plan, data: PreparedData) -> None:
    for loader, split in (("train_dataloader", "train"), ("val_dataloader", "val"), ("test_dataloader", "val")):
        settings = config[loader]
        settings.num_workers = plan.loader_workers
        # PyTorch rejects persistent_workers=True with 0 workers.
        settings.persistent_workers = plan.loader_workers > 0
        settings.worker_init_fn = {"type": "prepare_loader_worker"}
        dataset = _coco(settings.dataset)
        dataset.update(
            data_root="",
            ann_file=str(data.annotations(split)),
            data_prefix={"img": data.image_prefix(split)},
            metainfo={"classes": data.classes()},
        )
        samples = data.samples(split)
        if samples and dataset.type == "CocoDataset" and not dataset.get("proposal_file"):
            dataset.update(type="MappedCocoDataset", samples=str(samples))
        for step in dataset.pipeline:
            if step.type == "LoadImageFromFile":
                step.backend_args = data.image_backend(split)
    if plan.validation_batch > 1:
        config.val_dataloader.batch_size = plan.validation_batch
        config.val_dataloader.batch_sampler = {"type": "EqualSizeBatchSampler", "divisor": _pad_divisor(config)}
    train = config.train_dataloader
    train.batch_size = plan.batch_per_gpu
    if train.dataset.type == MIXED:
        train.dataset.update(type="SeededMixDataset", seed=plan.seed)
    else:
        train.dataset.pipeline.insert(0, ConfigDict(type="SeedSample", seed=plan.seed))
    train.batch_sampler = {"type": "ResumableBatchSampler", "inner": train.get("batch_sampler")}
    for evaluator in ("val_evaluator", "test_evaluator"):
        config[evaluator].update(ann_file=str(data.annotations("val")), metric=["bbox", "segm"], format_only=False)
    config.val_evaluator.type = "QuickCocoMetric"


def _coco(dataset: ConfigDict) -> ConfigDict:
    """Returns the data set that reads images and annotations."""
    return dataset.dataset if dataset.type == MIXED else dataset


def _pad_divisor(config: Config) -> int:
    """Returns the number of pixels of which padded sides are a multiple."""
    return config.model.data_preprocessor.get("pad_size_divisor", 1)


def set_classes(part: Any, count: int) -> None:
    """Sets the number of classes of every head, at any depth."""
    if isinstance(part, dict):
        if "num_classes" in part:
            part["num_classes"] = count
        for inner in part.values():
            set_classes(inner, count)
    elif isinstance(part, (list, tuple)):
        for inner in part:
            set_classes(inner, count)


def _set_weights(backbone: ConfigDict, weights: Path | None) -> None:
    if weights is None:
        backbone.init_cfg = None
        return
    is_converted = looks_like_safetensors(weights)
    backbone.init_cfg = {"type": "Pretrained", "checkpoint": f"{SCHEME if is_converted else ''}{weights}"}
    if is_converted and "convert_weights" in backbone:
        # convert_weights.py has already converted them to MMDetection's layout.
        backbone.convert_weights = False


def _set_epochs(config: Config, plan: Plan, warnings: list[str]) -> None:
    """Validates after each epoch. Scales the schedule if the plan and the recipe differ in epochs."""
    recipe_epochs = config.train_cfg.max_epochs
    config.train_cfg.update(max_epochs=plan.epochs, val_begin=1, val_interval=1)
    if plan.epochs == recipe_epochs:
        return
    before = milestones(config)
    for one in config.param_scheduler:
        if not one.get("by_epoch", True):
            continue
        for name in ("begin", "end"):
            if name in one:
                one[name] = _scaled(one[name], plan.epochs, recipe_epochs)
        if "milestones" in one:
            one.milestones = sorted({max(1, _scaled(epoch, plan.epochs, recipe_epochs)) for epoch in one.milestones})
    warnings.append(
        f"the plan has {plan.epochs} epochs, the recipe {recipe_epochs}: "
        f"the learning rate falls after epochs {milestones(config)} instead of {before}"
    )


def _scaled(epoch: int, epochs: int, recipe_epochs: int) -> int:
    return round(epoch * epochs / recipe_epochs)


def _set_hooks(config: Config, plan: Plan) -> None:
    """Disables MMEngine's checkpoint hook: our own hooks write checkpoints and progress.jsonl."""
    config.default_hooks.pop("visualization", None)
    # None instead of a missing key: MMEngine would add its default hook.
    config.default_hooks.checkpoint = None
    config.default_hooks.logger.interval = plan.log_every_steps
    config.default_hooks.runtime_info = {
        "type": "LossesHook",
        "delay": plan.speed.fewer_syncs,
        "log_every_steps": plan.log_every_steps,
    }


def _set_learning_rate(config: Config, plan: Plan, warnings: list[str]) -> None:
    """Replaces the recipe's base learning rate. Warm-up and drops are relative to it, absolute limits are scaled."""
    optimizer = config.optim_wrapper.optimizer
    if plan.learning_rate is None or plan.learning_rate == optimizer.lr:
        return
    warnings.append(
        f"trains with the learning rate {plan.learning_rate:g} of the input; the recipe's is {optimizer.lr:g}"
    )
    ratio = plan.learning_rate / optimizer.lr
    optimizer.lr = plan.learning_rate
    for scheduler in config.param_scheduler:
        for name in ("eta_min", "eta_max"):
            if name in scheduler and "Momentum" not in scheduler.type:
                scheduler[name] *= ratio


def _apply_control(config: Config, plan: Plan, control: TrainerControl, warnings: list[str]) -> None:
    """Applies the settings that the worker changed to recover from a failure. EpochsHook applies the epochs."""
    if control.learning_rate_factor != 1:
        # Schedulers derive all rates from this one. A resumed run restores its own (state.py).
        config.optim_wrapper.optimizer.lr *= control.learning_rate_factor
        whose = "recipe's" if plan.learning_rate is None else "input's"
        warnings.append(f"trains with {control.learning_rate_factor:g} times the {whose} learning rate, as requested")
    if control.fp32:
        _leave_mixed_precision(config, "as requested", warnings)


def _set_parts(config: Config, plan: Plan, control: TrainerControl, warnings: list[str]) -> None:
    """Splits a batch into parts that share one optimizer step, so that no checkpoint falls between them.

    A recipe's `images_at_once` is the number of images of a rank's batch that a loss averages over. MMDetection's own
    tools ignore it.
    """
    at_once = config.get("images_at_once", plan.batch_per_gpu)
    parts = math.ceil(plan.batch_per_gpu / at_once) * control.accumulate
    if parts > 1:
        config.train_cfg.update(type="MicroBatchTrainLoop", parts=parts)
    if control.accumulate > 1:
        warnings.append(f"accumulates the gradients of {parts} parts of each batch, as requested")


def set_model_wrapper(config: Config, device: str) -> None:
    """Sets MMEngine's defaults, and keeps gradients in the buckets that DDP reduces instead of in a copy.

    Other settings stay: `static_graph` fails with micro-batches, and with more than two ranks another bucket size
    changes the order of sums (test/bench/ddp_settings.py).
    """
    config.model_wrapper_cfg = {
        "type": "MMDistributedDataParallel",
        "broadcast_buffers": False,
        "find_unused_parameters": config.get("find_unused_parameters", False),
        "gradient_as_bucket_view": True,
        **config.get("model_wrapper_cfg", {}),
    }
    if device == "cpu":
        config.model_wrapper_cfg.device_ids = None


def _set_virtual_ranks(config: Config, plan: Plan, control: TrainerControl, warnings: list[str]) -> None:
    """Makes each rank compute several ranks of the plan if fewer GPUs are left than planned."""
    virtual_ranks = plan.gpus // control.gpus
    if virtual_ranks == 1:
        return
    config.train_cfg.update(type="MicroBatchTrainLoop", parts=config.train_cfg.get("parts", 1))
    config.train_cfg.virtual_ranks = config.train_dataloader.batch_sampler.virtual_ranks = virtual_ranks
    warnings.append(
        f"trains on {control.gpus} of {plan.gpus} GPUs with the same batch per step: each accumulates the gradients of "
        f"{virtual_ranks} ranks"
    )
    if _has_sync_norm(config.model):
        warnings.append(
            f"SyncBN takes its statistics over {control.gpus} ranks at a time instead of {plan.gpus}: the weights "
            "differ from those of all GPUs"
        )


def _set_speed(config: Config, speed: Speed, device: str, warnings: list[str]) -> None:
    """Applies the switches that are configuration; the runner applies those of the built model."""
    config.speed = asdict(speed)
    optimizer = config.optim_wrapper.optimizer
    if speed.fused_adamw and optimizer.type == "AdamW":
        optimizer.type = "FusedAdamW"
    elif speed.fused_adamw:
        warnings.append(f"ignores fusedAdamW: the recipe's optimizer is {optimizer.type}")
    if speed.half_precision_validation and device == "cpu":
        warnings.append("ignores halfPrecisionValidation and validates in fp32: there is no GPU")
    elif speed.half_precision_validation:
        # The final test stays in fp32.
        config.val_cfg.fp16 = True
    if speed.tf32 and device == "cpu":
        warnings.append("ignores tf32 and trains in fp32: there is no GPU")
    if speed.expandable_segments and device == "cpu":
        warnings.append("ignores expandableSegments: there is no GPU")
    if speed.group_by_size:
        _group_by_size(config)
    if speed.fewer_syncs:
        use_fewer_syncs(config.model)
        if device == "cuda":
            # A copy from memory that is not pinned may wait for the GPU.
            config.train_dataloader.pin_memory = True


def _group_by_size(config: Config) -> None:
    """Replaces the grouping by orientation. Raises ValueError if the recipe groups images in another way."""
    sampler = config.train_dataloader.batch_sampler
    if sampler.inner is not None and sampler.inner.type != "AspectRatioBatchSampler":
        raise ValueError(
            f"groupBySize replaces AspectRatioBatchSampler, but the recipe's batch sampler is {sampler.inner.type}: "
            "turn the switch off"
        )
    sampler.inner = {"type": "SimilarSizeBatchSampler", "divisor": _pad_divisor(config)}


def _leave_mixed_precision(config: Config, why: str, warnings: list[str]) -> None:
    if config.optim_wrapper.get("type") == "AmpOptimWrapper":
        config.optim_wrapper.type = "OptimWrapper"
        for name in ("loss_scale", "dtype"):
            config.optim_wrapper.pop(name, None)
        warnings.append(f"trains in fp32 instead of mixed precision: {why}")


def _fit_cpu(config: Config, warnings: list[str]) -> None:
    """Replaces what only a GPU supports."""
    config.env_cfg.dist_cfg = {"backend": "gloo"}
    _leave_mixed_precision(config, "there is no GPU", warnings)
    if _replace_sync_norm(config.model):
        warnings.append("normalizes each rank's batch separately (BN instead of SyncBN): there is no GPU")


def _has_sync_norm(part: Any) -> bool:
    if isinstance(part, dict):
        return part.get("type") == "SyncBN" or any(_has_sync_norm(inner) for inner in part.values())
    return isinstance(part, (list, tuple)) and any(_has_sync_norm(inner) for inner in part)


def _replace_sync_norm(part: Any) -> bool:
    """Replaces every SyncBN by BN. Returns whether there was one."""
    replaced = False
    if isinstance(part, dict):
        if part.get("type") == "SyncBN":
            part["type"] = "BN"
            replaced = True
        for inner in part.values():
            replaced = _replace_sync_norm(inner) or replaced
    elif isinstance(part, (list, tuple)):
        for inner in part:
            replaced = _replace_sync_norm(inner) or replaced
    return replaced
