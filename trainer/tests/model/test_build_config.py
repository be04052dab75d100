import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conftest import PLAN
from everswin_trainer.data.dataset import PreparedData
from everswin_trainer.job.control import TrainerControl
from everswin_trainer.job.plan import Plan
from everswin_trainer.model.build_config import BuiltConfig, build_config
from everswin_trainer.model.recipe import load_recipe

RECIPES = Path(__file__).parents[3] / "configs/mmdet"
NO_CHANGES = TrainerControl(epochs=36, checkpoint_now=0, learning_rate_factor=1.0, fp32=False, accumulate=1, gpus=1)
ALL_CHANGES = TrainerControl(epochs=40, checkpoint_now=1, learning_rate_factor=0.25, fp32=True, accumulate=2, gpus=1)


@pytest.fixture
def data(tmp_path: Path) -> PreparedData:
    """Returns a data set whose archive does not exist: only names matter, and the first bytes of the weights."""
    (tmp_path / "swin.pth").write_bytes(b"PK\x03\x04")
    splits = {
        name: {"archive": "/store/images", "folder": name, "index": f"{name}.index", "annotations": f"{name}.json"}
        for name in ("train", "val")
    }
    return PreparedData(tmp_path, {"v": 1, "classes": ["cat", "dog"], "splits": splits})


def built(
    data: PreparedData, recipe: str = "s_paper", device: str = "cpu", control: TrainerControl = NO_CHANGES, **plan: Any
) -> BuiltConfig:
    (data.root / "plan.json").write_text(json.dumps({**PLAN, "epochs": 36, **plan}))
    return build_config(
        load_recipe(RECIPES / f"cascade-mask-rcnn_swin-{recipe}.py", None),
        Plan.load(data.root / "plan.json"),
        control,
        data,
        data.root / "work",
        device,
        data.root / "swin.pth",
    )


def heads(part: Any) -> list[int]:
    """Returns every num_classes of a model."""
    if isinstance(part, dict):
        own = [part["num_classes"]] if "num_classes" in part else []
        return own + [one for inner in part.values() for one in heads(inner)]
    return [one for inner in part for one in heads(inner)] if isinstance(part, (list, tuple)) else []


@pytest.mark.parametrize("recipe", ["t_blog", "b_paper", "demo"])
def test_every_head_has_the_number_of_classes_of_the_data(data: PreparedData, recipe: str) -> None:
    config = built(data, recipe).config
    assert heads(config.model) == [2, 2, 2, 2]
    for loader in ("train_dataloader", "val_dataloader", "test_dataloader"):
        assert config[loader].dataset.metainfo["classes"] == ("cat", "dog")


def test_build_config_uses_data_and_weights_of_the_command_line(data: PreparedData) -> None:
    config = built(data).config
    assert config.train_dataloader.dataset.ann_file == f"{data.root}/train.json"
    for split in ("val", "test"):
        assert config[f"{split}_dataloader"].dataset.ann_file == f"{data.root}/val.json"
        assert config[f"{split}_evaluator"].ann_file == f"{data.root}/val.json"
    assert config.model.backbone.init_cfg == {"type": "Pretrained", "checkpoint": f"{data.root}/swin.pth"}


def test_converted_weights_are_loaded_without_another_conversion(data: PreparedData) -> None:
    (data.root / "swin.pth").write_bytes((2).to_bytes(8, "little") + b"{}")
    backbone = built(data).config.model.backbone
    assert backbone.init_cfg == {"type": "Pretrained", "checkpoint": f"safetensors:{data.root}/swin.pth"}
    assert backbone.convert_weights is False


@pytest.mark.parametrize("recipe", ["t_blog", "b_paper", "demo"])
def test_images_are_read_from_the_archive_or_from_files(data: PreparedData, recipe: str) -> None:
    splits = {"train_dataloader": "train", "val_dataloader": "val", "test_dataloader": "val"}
    config = built(data, recipe).config
    for loader, split in splits.items():
        dataset = config[loader].dataset
        [load] = [step for step in dataset.pipeline if step.type == "LoadImageFromFile"]
        assert load.backend_args == {
            "backend": "zip",
            "archive": "/store/images",
            "index": f"{data.root}/{split}.index",
        }
        assert dataset.data_prefix == {"img": f"{split}/"}
    for one in data.manifest["splits"].values():
        one["archive"] = None
    config = built(data, recipe).config
    for loader, split in splits.items():
        dataset = config[loader].dataset
        [load] = [step for step in dataset.pipeline if step.type == "LoadImageFromFile"]
        assert load.backend_args is None
        assert dataset.data_prefix == {"img": f"{data.root}/images/{split}/"}


def test_samples_are_mapped_if_the_folder_has_them(data: PreparedData) -> None:
    loaders = {"train_dataloader": "train", "val_dataloader": "val", "test_dataloader": "val"}
    assert {built(data).config[loader].dataset.type for loader in loaders} == {"CocoDataset"}
    for name, split in data.manifest["splits"].items():
        split["samples"] = f"{name}.samples"
    config = built(data).config
    for loader, split in loaders.items():
        dataset = config[loader].dataset
        assert (dataset.type, dataset.samples) == ("MappedCocoDataset", f"{data.root}/{split}.samples")
        assert dataset.ann_file == f"{data.root}/{split}.json"


def test_a_data_set_that_mixes_images_has_one_seed_and_reads_the_plans_data(data: PreparedData) -> None:
    data.manifest["splits"]["train"]["samples"] = "train.samples"
    mixing = built(data, "s_paper-lsj-copy-paste", epochs=100, seed=3).config.train_dataloader.dataset
    assert (mixing.type, mixing.seed) == ("SeededMixDataset", 3)
    assert [step.type for step in mixing.pipeline] == ["CopyPaste", "PackDetInputs"]
    reading = mixing.dataset
    assert (reading.type, reading.ann_file) == ("MappedCocoDataset", f"{data.root}/train.json")
    assert reading.metainfo["classes"] == ("cat", "dog")
    assert reading.pipeline[0].backend_args["archive"] == "/store/images"


def test_the_plan_sets_batch_workers_seed_and_log_interval(data: PreparedData) -> None:
    config = built(data, batchPerGpu=3, loaderWorkers=2, seed=11, logEverySteps=7).config
    loader = config.train_dataloader
    assert (loader.batch_size, loader.num_workers, loader.persistent_workers) == (3, 2, True)
    assert config.randomness == {"seed": 11}
    assert loader.dataset.pipeline[0] == {"type": "SeedSample", "seed": 11}
    assert config.default_hooks.logger.interval == 7
    assert built(data, loaderWorkers=0).config.train_dataloader.persistent_workers is False


def test_the_batch_sampler_of_the_recipe_becomes_resumable(data: PreparedData) -> None:
    sampler = built(data).config.train_dataloader.batch_sampler
    assert sampler.type == "ResumableBatchSampler"
    assert sampler.inner.type == "AspectRatioBatchSampler"


def test_the_schedule_is_unchanged_when_plan_and_recipe_have_equal_epochs(data: PreparedData) -> None:
    config, warnings = built(data, device="cuda").config, built(data, device="cuda").warnings
    assert (config.train_cfg.max_epochs, config.param_scheduler[1].milestones) == (36, [27, 33])
    assert warnings == []


def test_the_schedule_is_scaled_with_a_warning_when_the_epochs_differ(data: PreparedData) -> None:
    short = built(data, device="cuda", epochs=12)
    assert short.config.train_cfg.max_epochs == 12
    assert (short.config.param_scheduler[1].end, short.config.param_scheduler[1].milestones) == (12, [9, 11])
    assert short.config.param_scheduler[0].end == 500, "warm-up counts steps"
    [warning] = short.warnings
    assert "12 epochs, the recipe 36" in warning
    assert "[9, 11] instead of [27, 33]" in warning


def test_a_gpu_keeps_mixed_precision_and_sync_batch_norm(data: PreparedData) -> None:
    config = built(data, device="cuda").config
    assert config.optim_wrapper.type == "AmpOptimWrapper"
    assert config.model.roi_head.bbox_head[0].norm_cfg.type == "SyncBN"


def test_a_cpu_trains_in_fp32_with_plain_batch_norm_and_warnings(data: PreparedData) -> None:
    on_cpu = built(data)
    assert on_cpu.config.optim_wrapper.type == "OptimWrapper"
    assert "loss_scale" not in on_cpu.config.optim_wrapper
    assert on_cpu.config.model.roi_head.bbox_head[2].norm_cfg.type == "BN"
    assert [warning.split(":")[0] for warning in on_cpu.warnings] == [
        "trains in fp32 instead of mixed precision",
        "normalizes each rank's batch separately (BN instead of SyncBN)",
    ]


def test_control_changes_learning_rate_precision_and_micro_batches_with_warnings(data: PreparedData) -> None:
    unchanged, changed = (built(data, "s_blog", "cuda", control) for control in (NO_CHANGES, ALL_CHANGES))
    assert (unchanged.config.optim_wrapper.optimizer.lr, unchanged.config.train_cfg.type) == (
        0.0001,
        "EpochBasedTrainLoop",
    )
    assert changed.config.optim_wrapper.optimizer.lr == 0.0001 * 0.25
    assert (changed.config.optim_wrapper.type, "loss_scale" in changed.config.optim_wrapper) == ("OptimWrapper", False)
    assert (changed.config.train_cfg.type, changed.config.train_cfg.parts) == ("MicroBatchTrainLoop", 2)
    assert changed.warnings == [
        "trains with 0.25 times the recipe's learning rate, as requested",
        "trains in fp32 instead of mixed precision: as requested",
        "accumulates the gradients of 2 parts of each batch, as requested",
    ]


@pytest.mark.parametrize(
    ("recipe", "batch", "accumulate", "parts"),
    [
        ("s_paper", 2, 1, None),
        ("s_paper", 4, 1, 2),
        ("s_paper", 16, 1, 8),
        ("s_paper", 5, 1, 3),
        ("s_paper", 4, 2, 4),
        ("s_blog-accumulate", 4, 1, 2),
        ("s_blog", 4, 1, None),
        ("s_blog", 4, 4, 4),
    ],
)
def test_a_batch_is_split_as_the_recipe_says_and_further_on_request(
    data: PreparedData, recipe: str, batch: int, accumulate: int, parts: int | None
) -> None:
    control = replace(NO_CHANGES, accumulate=accumulate)
    result = built(data, recipe, "cuda", control, batchPerGpu=batch)
    assert result.config.train_cfg.type == ("EpochBasedTrainLoop" if parts is None else "MicroBatchTrainLoop")
    assert result.config.train_cfg.get("parts") == parts
    assert result.warnings == (
        [] if accumulate == 1 else [f"accumulates the gradients of {parts} parts of each batch, as requested"]
    )


@pytest.mark.parametrize(("device", "sync"), [("cuda", True), ("cpu", False)])
def test_each_rank_computes_several_ranks_of_the_plan_if_gpus_have_failed(
    data: PreparedData, device: str, sync: bool
) -> None:
    full = built(data, "s_paper", device, replace(NO_CHANGES, gpus=4), gpus=4, batchPerGpu=4)
    fewer = built(data, "s_paper", device, replace(NO_CHANGES, gpus=2), gpus=4, batchPerGpu=4)
    assert (fewer.config.train_cfg.type, fewer.config.train_cfg.parts) == ("MicroBatchTrainLoop", 2)
    assert fewer.config.train_cfg.virtual_ranks == fewer.config.train_dataloader.batch_sampler.virtual_ranks == 2
    assert "virtual_ranks" not in {**full.config.train_cfg, **full.config.train_dataloader.batch_sampler}
    added = [warning for warning in fewer.warnings if warning not in full.warnings]
    assert added[0] == ("trains on 2 of 4 GPUs with the same batch per step: each accumulates the gradients of 2 ranks")
    assert ["SyncBN" in warning for warning in added[1:]] == ([True] if sync else [])


def test_control_does_not_change_the_schedule(data: PreparedData) -> None:
    config = built(data, control=ALL_CHANGES).config
    assert config.train_cfg.max_epochs == 36
    assert config.param_scheduler == built(data).config.param_scheduler


FAST = {**PLAN["speed"], "fusedAdamW": True, "halfPrecisionValidation": True, "channelsLast": True}
ON_GPU_ONLY = {"halfPrecisionValidation": True, "tf32": True, "expandableSegments": True}


def test_build_config_keeps_the_stock_settings_without_speed_switches(data: PreparedData) -> None:
    config = built(data, device="cuda").config
    assert not any(config.speed.values())
    assert (config.optim_wrapper.optimizer.type, config.val_cfg.get("fp16", False)) == ("AdamW", False)
    assert config.default_hooks.runtime_info.delay is False


def test_speed_switches_apply_to_training_and_validation_but_not_to_the_final_test(data: PreparedData) -> None:
    fast = built(data, device="cuda", speed=FAST)
    assert fast.config.optim_wrapper.optimizer.type == "FusedAdamW"
    assert fast.config.optim_wrapper.optimizer.lr == 0.0001
    assert (fast.config.val_cfg.fp16, fast.config.test_cfg.get("fp16", False)) == (True, False)
    assert {name for name, is_on in fast.config.speed.items() if is_on} == {
        "fused_adamw",
        "half_precision_validation",
        "channels_last",
    }
    assert fast.warnings == []


@pytest.mark.parametrize(("device", "on_cpu"), [("cpu", {"device_ids": None}), ("cuda", {})])
def test_ddp_keeps_gradients_in_its_buckets(data: PreparedData, device: str, on_cpu: dict[str, None]) -> None:
    assert built(data, device=device).config.model_wrapper_cfg == {
        "type": "MMDistributedDataParallel",
        "broadcast_buffers": False,
        "find_unused_parameters": False,
        "gradient_as_bucket_view": True,
        **on_cpu,
    }


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_fewer_syncs_replaces_types_delays_losses_and_pins_batches(data: PreparedData, device: str) -> None:
    config = built(data, device=device, speed={**PLAN["speed"], "fewerSyncs": True}).config
    assert config.model.rpn_head.type == "FewerSyncsRPNHead"
    assert config.default_hooks.runtime_info.delay is True
    # PyTorch warns about pinned memory without a GPU.
    assert config.train_dataloader.get("pin_memory", False) == (device == "cuda")


def test_group_by_size_replaces_the_grouping_by_orientation(data: PreparedData) -> None:
    grouped = built(data, speed={**PLAN["speed"], "groupBySize": True}).config.train_dataloader.batch_sampler
    assert grouped == {
        "type": "ResumableBatchSampler",
        "inner": {"type": "SimilarSizeBatchSampler", "divisor": 32},
    }


def test_group_by_size_refuses_a_recipe_with_another_batch_sampler(data: PreparedData) -> None:
    recipe = load_recipe(RECIPES / "cascade-mask-rcnn_swin-demo.py", None)
    recipe.train_dataloader.batch_sampler.type = "MultiDataAspectRatioBatchSampler"
    (data.root / "plan.json").write_text(json.dumps({**PLAN, "speed": {**PLAN["speed"], "groupBySize": True}}))
    plan = Plan.load(data.root / "plan.json")
    with pytest.raises(ValueError, match="the recipe's batch sampler is MultiDataAspectRatioBatchSampler: turn the"):
        build_config(recipe, plan, NO_CHANGES, data, data.root / "work", "cpu", None)


def test_the_validation_batch_applies_to_validations_but_not_to_the_final_test(data: PreparedData) -> None:
    config = built(data, validationBatch=8).config
    assert (config.val_dataloader.batch_size, config.test_dataloader.batch_size) == (8, 1)
    assert config.val_dataloader.batch_sampler == {"type": "EqualSizeBatchSampler", "divisor": 32}
    assert "batch_sampler" not in config.test_dataloader
    assert "batch_sampler" not in built(data, validationBatch=1).config.val_dataloader
    assert built(data).config.val_dataloader.batch_size == 1


def test_a_speed_switch_without_effect_causes_a_warning(data: PreparedData) -> None:
    on_cpu = built(data, "s_blog", speed={**FAST, **ON_GPU_ONLY})
    assert on_cpu.config.val_cfg.get("fp16", False) is False
    assert on_cpu.warnings[-3:] == [
        "ignores halfPrecisionValidation and validates in fp32: there is no GPU",
        "ignores tf32 and trains in fp32: there is no GPU",
        "ignores expandableSegments: there is no GPU",
    ]
    recipe = load_recipe(RECIPES / "cascade-mask-rcnn_swin-s_blog.py", None)
    recipe.optim_wrapper.optimizer.type = "SGD"
    (data.root / "plan.json").write_text(json.dumps({**PLAN, "epochs": 36, "speed": FAST}))
    plan = Plan.load(data.root / "plan.json")
    other = build_config(recipe, plan, NO_CHANGES, data, data.root / "work", "cuda", None)
    assert other.warnings == ["ignores fusedAdamW: the recipe's optimizer is SGD"]


def test_validation_runs_after_each_epoch_and_mmengine_writes_no_checkpoints_or_images(data: PreparedData) -> None:
    config = built(data).config
    assert (config.train_cfg.val_begin, config.train_cfg.val_interval) == (1, 1)
    assert config.default_hooks.checkpoint is None
    assert "visualization" not in config.default_hooks
    assert not config.get("custom_hooks")
    assert (config.load_from, config.resume) == (None, False)


def test_build_config_does_not_modify_the_recipe(data: PreparedData) -> None:
    recipe = load_recipe(RECIPES / "cascade-mask-rcnn_swin-demo.py", None)
    before = recipe.to_dict()
    (data.root / "plan.json").write_text(json.dumps(PLAN))
    build_config(recipe, Plan.load(data.root / "plan.json"), ALL_CHANGES, data, data.root, "cpu", None)
    assert recipe.to_dict() == before


def test_the_learning_rate_of_the_input_keeps_warm_up_and_drops_relative_to_it(data: PreparedData) -> None:
    own, given = built(data).config, built(data, learningRate=2.5e-05)
    assert (own.optim_wrapper.optimizer.lr, given.config.optim_wrapper.optimizer.lr) == (1e-4, 2.5e-05)
    assert given.config.param_scheduler == own.param_scheduler
    assert given.config.optim_wrapper.paramwise_cfg == own.optim_wrapper.paramwise_cfg
    assert "trains with the learning rate 2.5e-05 of the input; the recipe's is 0.0001" in given.warnings


def test_a_requested_factor_multiplies_the_learning_rate_of_the_input(data: PreparedData) -> None:
    config, warnings = vars(built(data, control=ALL_CHANGES, learningRate=2e-5)).values()
    assert config.optim_wrapper.optimizer.lr == pytest.approx(5e-6)
    assert "trains with 0.25 times the input's learning rate, as requested" in warnings


def test_the_recipes_own_learning_rate_is_no_deviation(data: PreparedData) -> None:
    assert built(data, learningRate=1e-4).warnings == built(data).warnings
