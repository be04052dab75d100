"""The recipes of configs/mmdet against the table of what the blog and the paper trained, field by field."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config

from everswin_trainer import mmcv_ops

RECIPES = Path(__file__).parents[2] / "configs/mmdet"
TINY, SMALL, PAPER, DEMO = (f"cascade-mask-rcnn_swin-{name}" for name in ("t_blog", "s_blog", "s_paper", "demo"))
# Sizes, and what follows from them; everything else the demo shares with the real recipe.
DEMO_MAY_CHANGE = {
    "channels",
    "model.backbone.embed_dims",
    "model.backbone.depths",
    "model.backbone.num_heads",
    "model.neck.in_channels",
    "model.neck.out_channels",
    "model.rpn_head.in_channels",
    "model.rpn_head.feat_channels",
    "model.roi_head.bbox_roi_extractor.out_channels",
    "model.roi_head.bbox_head.*.in_channels",
    "model.roi_head.bbox_head.*.fc_out_channels",
    "model.roi_head.mask_roi_extractor.out_channels",
    "model.roi_head.mask_head.num_convs",
    "model.roi_head.mask_head.in_channels",
    "model.roi_head.mask_head.conv_out_channels",
    "model.train_cfg.rpn_proposal.nms_pre",
    "model.train_cfg.rpn_proposal.max_per_img",
    "model.train_cfg.rcnn.*.sampler.num",
    "model.test_cfg.rpn.nms_pre",
    "model.test_cfg.rpn.max_per_img",
    "scales",
    "PIPELINE.*.transforms.*.*.scales",
    "PIPELINE.*.transforms.*.*.crop_size",
    "PIPELINE.*.scale",
    "train_cfg.max_epochs",
    "param_scheduler.*.end",
    "param_scheduler.*.milestones",
    "optim_wrapper.optimizer.lr",
}


@cache
def load(name: str) -> Config:
    """The parsed recipe; shared, so for reading only."""
    return Config.fromfile(RECIPES / f"{name}.py")


def values(part: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every leaf by its dotted path; a list of numbers or pairs is one leaf, so its length may change."""
    if isinstance(part, dict):
        # MMEngine marks what came from `mmdet::` with its scope, which is the default one anyway.
        for key, inner in ((key, inner) for key, inner in part.items() if key != "_scope_"):
            yield from values(inner, f"{path}.{key}" if path else key)
    elif isinstance(part, list) and any(isinstance(inner, (dict, list)) for inner in part):
        for index, inner in enumerate(part):
            yield from values(inner, f"{path}.{index}")
    else:
        yield path, part


def changed(before: Config, after: Config) -> set[str]:
    """Paths that differ, with `*` for list positions and PIPELINE for every copy of a pipeline."""
    old, new = dict(values(before.to_dict())), dict(values(after.to_dict()))
    missing = object()
    paths = {path for path in old.keys() | new.keys() if old.get(path, missing) != new.get(path, missing)}
    starred = {re.sub(r"\.\d+(?=\.|$)", ".*", path) for path in paths}
    return {re.sub(r"^(\w+_dataloader\.dataset\.pipeline|\w+_pipeline)", "PIPELINE", path) for path in starred}


@pytest.mark.parametrize("name", [TINY, SMALL, PAPER, DEMO])
def test_a_recipe_names_no_data_no_weights_and_no_classes(name: str) -> None:
    text = (RECIPES / f"{name}.py").read_text()
    for word in ("data_root", "ann_file", "data_prefix", "init_cfg", "checkpoint", "http", "num_classes", "metainfo"):
        assert word not in text, f"{name} sets {word}, which the plan decides"


@pytest.mark.parametrize("name", [TINY, SMALL, PAPER, DEMO])
def test_a_flattened_recipe_reads_back_as_itself(name: str) -> None:
    recipe = load(name)
    assert Config.fromstring(recipe.pretty_text, ".py").to_dict() == recipe.to_dict()


@pytest.mark.parametrize("name", [TINY, SMALL, PAPER, DEMO])
def test_no_recipe_is_deeper_than_three_files_above_mmdetections_own(name: str) -> None:
    depth, file = 1, RECIPES / f"{name}.py"
    while parent := re.search(r"^_base_ = '\./(.+)'$", file.read_text(), re.MULTILINE):
        depth, file = depth + 1, RECIPES / parent[1]
    assert depth <= 3


@pytest.mark.parametrize("name", [TINY, SMALL, PAPER])
@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("model.type", "CascadeRCNN"),
        ("model.backbone.type", "SwinTransformer"),
        ("model.backbone.embed_dims", 96),
        ("model.backbone.num_heads", [3, 6, 12, 24]),
        ("model.backbone.window_size", 7),
        ("model.backbone.drop_path_rate", 0.2),
        ("model.backbone.with_cp", False),
        ("model.backbone.convert_weights", True),
        ("model.neck.in_channels", [96, 192, 384, 768]),
        ("model.roi_head.mask_head.type", "FCNMaskHead"),
        ("model.roi_head.mask_head.num_convs", 4),
        ("model.roi_head.stage_loss_weights", [1, 0.5, 0.25]),
        ("train_cfg.max_epochs", 36),
        ("param_scheduler.0.type", "LinearLR"),
        ("param_scheduler.0.start_factor", 0.001),
        ("param_scheduler.1.milestones", [27, 33]),
        ("param_scheduler.1.end", 36),
        ("param_scheduler.1.gamma", 0.1),
        ("optim_wrapper.type", "AmpOptimWrapper"),
        ("optim_wrapper.loss_scale.init_scale", 512),
        ("optim_wrapper.optimizer.type", "AdamW"),
        ("optim_wrapper.optimizer.lr", 0.0001),
        ("optim_wrapper.optimizer.betas", (0.9, 0.999)),
        ("optim_wrapper.optimizer.weight_decay", 0.05),
        ("optim_wrapper.paramwise_cfg.custom_keys.absolute_pos_embed.decay_mult", 0),
        ("optim_wrapper.paramwise_cfg.custom_keys.relative_position_bias_table.decay_mult", 0),
        ("optim_wrapper.paramwise_cfg.custom_keys.norm.decay_mult", 0),
        ("train_dataloader.dataset.pipeline.3.transforms.1.0.scales", [(400, 1333), (500, 1333), (600, 1333)]),
        ("train_dataloader.dataset.pipeline.3.transforms.1.1.crop_size", (384, 600)),
        ("train_dataloader.dataset.filter_cfg.filter_empty_gt", True),
        ("val_dataloader.dataset.pipeline.1.scale", (1333, 800)),
    ],
)
def test_what_blog_and_paper_share(name: str, field: str, expected: Any) -> None:
    assert dict(values(load(name).to_dict()))[field] == expected


@pytest.mark.parametrize("name", [TINY, SMALL, PAPER])
def test_short_sides_go_from_480_to_800_in_steps_of_32(name: str) -> None:
    resize, crop = load(name).train_dataloader.dataset.pipeline[3].transforms
    assert resize[0].scales == crop[2].scales == [(480 + 32 * step, 1333) for step in range(11)]


@pytest.mark.parametrize("name", [TINY, SMALL, PAPER])
def test_gradients_are_not_clipped_and_no_resnet_setting_is_left(name: str) -> None:
    recipe = load(name)
    assert "clip_grad" not in recipe.optim_wrapper
    assert {"depth", "frozen_stages", "norm_cfg", "style", "init_cfg"}.isdisjoint(recipe.model.backbone)
    assert "momentum" not in recipe.optim_wrapper.optimizer


@pytest.mark.parametrize(
    ("field", "blog", "paper"),
    [
        ("type", "Shared2FCBBoxHead", "ConvFCBBoxHead"),
        ("num_shared_convs", None, 4),
        ("num_shared_fcs", None, 1),
        ("conv_out_channels", None, 256),
        ("fc_out_channels", 1024, 1024),
        ("roi_feat_size", 7, 7),
        ("norm_cfg", None, {"type": "SyncBN", "requires_grad": True}),
        ("reg_class_agnostic", True, False),
        ("reg_decoded_bbox", None, True),
        (
            "loss_bbox",
            {"type": "SmoothL1Loss", "beta": 1.0, "loss_weight": 1.0},
            {"type": "GIoULoss", "loss_weight": 10.0},
        ),
        ("loss_cls.use_sigmoid", False, False),
        ("bbox_coder.type", "DeltaXYWHBBoxCoder", "DeltaXYWHBBoxCoder"),
    ],
)
def test_how_the_box_heads_of_blog_and_paper_differ(field: str, blog: Any, paper: Any) -> None:
    for name, expected in ((TINY, blog), (SMALL, blog), (PAPER, paper)):
        for head in load(name).model.roi_head.bbox_head:
            for key in field.split("."):
                head = head.get(key)
            assert head == expected


@pytest.mark.parametrize("name", [TINY, SMALL, PAPER, DEMO])
def test_each_stage_of_the_cascade_keeps_its_own_spread_of_boxes(name: str) -> None:
    stds = [head.bbox_coder.target_stds for head in load(name).model.roi_head.bbox_head]
    assert stds == [[0.1, 0.1, 0.2, 0.2], [0.05, 0.05, 0.1, 0.1], [0.033, 0.033, 0.067, 0.067]]


@pytest.mark.parametrize(
    ("name", "depths", "warmup"),
    [(TINY, [2, 2, 6, 2], 1000), (SMALL, [2, 2, 18, 2], 1000), (PAPER, [2, 2, 18, 2], 500)],
)
def test_depth_and_warm_up(name: str, depths: list[int], warmup: int) -> None:
    recipe = load(name)
    assert recipe.model.backbone.depths == depths
    assert recipe.param_scheduler[0].end == warmup


def test_the_small_recipe_is_the_tiny_one_with_a_deeper_third_stage() -> None:
    assert changed(load(TINY), load(SMALL)) == {"model.backbone.depths"}


def test_the_demo_changes_sizes_only() -> None:
    assert changed(load(TINY), load(DEMO)) == DEMO_MAY_CHANGE


@pytest.mark.parametrize(("name", "millions"), [(SMALL, 102.04), (PAPER, 106.95)])
def test_number_of_parameters(name: str, millions: float) -> None:
    mmcv_ops.install()
    import mmdet.models  # noqa: F401  (fills the registry)
    from mmengine.registry import MODELS, init_default_scope

    init_default_scope("mmdet")
    model = MODELS.build(load(name).model)
    assert sum(weight.numel() for weight in model.parameters()) / 1e6 == pytest.approx(millions, abs=0.005)
