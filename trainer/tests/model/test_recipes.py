"""Compares the recipes of configs/mmdet field by field with the blog post and the paper's repository."""

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config

RECIPES = Path(__file__).parents[3] / "configs/mmdet"
RUNS = RECIPES.parent / "runs"
BLOG = [f"cascade-mask-rcnn_swin-{size}_blog" for size in "tsb"]
PAPER = [f"cascade-mask-rcnn_swin-{size}_paper" for size in "tsb"]
ACCUMULATE, DEMO = "cascade-mask-rcnn_swin-s_blog-accumulate", "cascade-mask-rcnn_swin-demo"
FULL = [*BLOG, ACCUMULATE, *PAPER]
GIOU, EMA, LSJ, COPY_PASTE = (
    f"cascade-mask-rcnn_swin-s_{name}" for name in ("blog-giou", "paper-ema", "paper-lsj", "paper-lsj-copy-paste")
)
IN22K = "cascade-mask-rcnn_swin-b_paper-in22k"
NEW = [GIOU, EMA, LSJ, COPY_PASTE, IN22K]
# Settings that may differ between the two variants of a size, and between the sizes of a variant.
VARIANT = {
    "images_at_once",
    "model.roi_head.bbox_head.*.type",
    "model.roi_head.bbox_head.*.num_shared_convs",
    "model.roi_head.bbox_head.*.num_shared_fcs",
    "model.roi_head.bbox_head.*.conv_out_channels",
    "model.roi_head.bbox_head.*.norm_cfg.type",
    "model.roi_head.bbox_head.*.norm_cfg.requires_grad",
    "model.roi_head.bbox_head.*.reg_class_agnostic",
    "model.roi_head.bbox_head.*.reg_decoded_bbox",
    "model.roi_head.bbox_head.*.loss_bbox.type",
    "model.roi_head.bbox_head.*.loss_bbox.beta",
    "model.roi_head.bbox_head.*.loss_bbox.loss_weight",
    "param_scheduler.*.end",
    "optim_wrapper.loss_scale",
    "optim_wrapper.loss_scale.init_scale",
}
BASE_SIZE = {
    "model.backbone.embed_dims",
    "model.backbone.depths",
    "model.backbone.num_heads",
    "model.backbone.drop_path_rate",
    "model.neck.in_channels",
}
# Sizes and settings that depend on them. The demo shares all other settings with the real recipe.
DEMO_MAY_CHANGE = {
    "auto_scale_lr.base_batch_size",
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
    """Returns the parsed recipe. Cached, so do not modify it."""
    return Config.fromfile(RECIPES / f"{name}.py")


def values(part: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yields every leaf with its dotted path; a list of numbers or pairs is one leaf, so its length may change."""
    if isinstance(part, dict):
        # MMEngine marks settings inherited from `mmdet::` with their scope, which is the default scope.
        for key, inner in ((key, inner) for key, inner in part.items() if key != "_scope_"):
            yield from values(inner, f"{path}.{key}" if path else key)
    elif isinstance(part, list) and any(isinstance(inner, (dict, list)) for inner in part):
        for index, inner in enumerate(part):
            yield from values(inner, f"{path}.{index}")
    else:
        yield path, part


def changed(before: Config, after: Config) -> set[str]:
    """Returns the paths that differ, with `*` for list positions and PIPELINE for every copy of a pipeline."""
    old, new = dict(values(before.to_dict())), dict(values(after.to_dict()))
    missing = object()
    paths = {path for path in old.keys() | new.keys() if old.get(path, missing) != new.get(path, missing)}
    starred = {re.sub(r"\.\d+(?=\.|$)", ".*", path) for path in paths}
    return {re.sub(r"^(\w+_dataloader\.dataset\.pipeline|\w+_pipeline)", "PIPELINE", path) for path in starred}


def at(part: Any, path: str) -> Iterator[Any]:
    """Yields the values at a dotted path, or None for a missing one; `*` matches every position of a list."""
    key, _, rest = path.partition(".")
    inner = part if key == "*" else [part[int(key)] if key.isdigit() else part.get(key)]
    for one in inner:
        yield from at(one, rest) if rest else [one]


@pytest.mark.parametrize("name", [*FULL, *NEW, DEMO])
def test_recipes_name_no_data_weights_or_classes(name: str) -> None:
    text = (RECIPES / f"{name}.py").read_text()
    for word in ("data_root", "ann_file", "data_prefix", "init_cfg", "checkpoint", "http", "num_classes", "metainfo"):
        assert word not in text, f"{name} sets {word}, which the plan decides"


@pytest.mark.parametrize("name", [*FULL, *NEW, DEMO])
def test_recipes_inherit_at_most_four_levels_above_mmdetection(name: str) -> None:
    depth, file = 1, RECIPES / f"{name}.py"
    while parent := re.search(r'^_base_ = "\./(.+)"$', file.read_text(), re.MULTILINE):
        depth, file = depth + 1, RECIPES / parent[1]
    assert depth <= 4


@pytest.mark.parametrize("name", FULL)
@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("model.type", "CascadeRCNN"),
        ("model.backbone.type", "SwinTransformer"),
        ("model.backbone.window_size", 7),
        ("model.backbone.mlp_ratio", 4),
        ("model.backbone.qkv_bias", True),
        ("model.backbone.patch_norm", True),
        ("model.backbone.with_cp", False),
        ("model.backbone.convert_weights", True),
        ("model.roi_head.mask_head.type", "FCNMaskHead"),
        ("model.roi_head.mask_head.num_convs", 4),
        ("model.roi_head.stage_loss_weights", [1, 0.5, 0.25]),
        ("model.train_cfg.rpn_proposal.max_per_img", 2000),
        ("model.test_cfg.rpn.nms_pre", 1000),
        # The paper's nms_post is max_per_img in MMDetection 3, which always behaves like its nms_across_levels=False.
        ("model.test_cfg.rpn.max_per_img", 1000),
        ("model.test_cfg.rcnn.score_thr", 0.05),
        ("model.test_cfg.rcnn.max_per_img", 100),
        ("train_cfg.max_epochs", 36),
        ("param_scheduler.0.type", "LinearLR"),
        ("param_scheduler.0.start_factor", 0.001),
        ("param_scheduler.1.milestones", [27, 33]),
        ("param_scheduler.1.end", 36),
        ("param_scheduler.1.gamma", 0.1),
        ("optim_wrapper.type", "AmpOptimWrapper"),
        ("optim_wrapper.optimizer.type", "AdamW"),
        ("optim_wrapper.optimizer.lr", 0.0001),
        ("auto_scale_lr.enable", False),
        ("train_dataloader.batch_size", 2),
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
def test_blog_and_paper_recipes_share_model_and_schedule(name: str, field: str, expected: Any) -> None:
    assert dict(values(load(name).to_dict()))[field] == expected


@pytest.mark.parametrize("name", FULL)
def test_short_sides_range_from_480_to_800_in_steps_of_32(name: str) -> None:
    resize, crop = load(name).train_dataloader.dataset.pipeline[3].transforms
    assert resize[0].scales == crop[2].scales == [(480 + 32 * step, 1333) for step in range(11)]


@pytest.mark.parametrize("name", FULL)
def test_recipes_do_not_clip_gradients_and_keep_no_resnet_setting(name: str) -> None:
    recipe = load(name)
    assert "clip_grad" not in recipe.optim_wrapper
    assert {"depth", "frozen_stages", "norm_cfg", "style", "init_cfg"}.isdisjoint(recipe.model.backbone)
    assert "momentum" not in recipe.optim_wrapper.optimizer


@pytest.mark.parametrize(
    ("field", "blog", "paper"),
    [
        ("model.roi_head.bbox_head.*.type", "Shared2FCBBoxHead", "ConvFCBBoxHead"),
        ("model.roi_head.bbox_head.*.num_shared_convs", None, 4),
        ("model.roi_head.bbox_head.*.num_shared_fcs", None, 1),
        ("model.roi_head.bbox_head.*.conv_out_channels", None, 256),
        ("model.roi_head.bbox_head.*.fc_out_channels", 1024, 1024),
        ("model.roi_head.bbox_head.*.roi_feat_size", 7, 7),
        ("model.roi_head.bbox_head.*.norm_cfg", None, {"type": "SyncBN", "requires_grad": True}),
        ("model.roi_head.bbox_head.*.reg_class_agnostic", True, False),
        ("model.roi_head.bbox_head.*.reg_decoded_bbox", None, True),
        (
            "model.roi_head.bbox_head.*.loss_bbox",
            {"type": "SmoothL1Loss", "beta": 1.0, "loss_weight": 1.0},
            {"type": "GIoULoss", "loss_weight": 10.0},
        ),
        ("model.roi_head.bbox_head.*.loss_cls.type", "CrossEntropyLoss", "CrossEntropyLoss"),
        ("model.roi_head.bbox_head.*.loss_cls.use_sigmoid", False, False),
        ("model.roi_head.bbox_head.*.bbox_coder.type", "DeltaXYWHBBoxCoder", "DeltaXYWHBBoxCoder"),
        ("model.roi_head.bbox_head.*.bbox_coder.target_means", [0, 0, 0, 0], [0, 0, 0, 0]),
        # Apex O1 in the paper's repository uses dynamic scaling: see the comment in the recipe.
        ("optim_wrapper.loss_scale", {"init_scale": 512}, "dynamic"),
        ("optim_wrapper.clip_grad", None, None),
        ("param_scheduler.0.end", 1000, 500),
        ("images_at_once", None, 2),
    ],
)
def test_blog_and_paper_recipes_differ_as_published(field: str, blog: Any, paper: Any) -> None:
    for names, expected in ((BLOG, blog), (PAPER, paper)):
        for name in names:
            found = list(at(load(name), field))
            assert found == [expected] * len(found) != []


@pytest.mark.parametrize(
    ("size", "width", "depths", "heads", "drop_path"),
    [
        ("t", 96, [2, 2, 6, 2], [3, 6, 12, 24], 0.2),
        ("s", 96, [2, 2, 18, 2], [3, 6, 12, 24], 0.2),
        ("b", 128, [2, 2, 18, 2], [4, 8, 16, 32], 0.3),
    ],
)
def test_recipes_have_the_published_backbone_sizes(
    size: str, width: int, depths: list[int], heads: list[int], drop_path: float
) -> None:
    for variant in ("blog", "paper"):
        model = load(f"cascade-mask-rcnn_swin-{size}_{variant}").model
        backbone = model.backbone
        assert (backbone.embed_dims, backbone.depths, backbone.num_heads) == (width, depths, heads)
        assert backbone.drop_path_rate == drop_path
        assert model.neck.in_channels == [width, 2 * width, 4 * width, 8 * width]


@pytest.mark.parametrize("name", [*FULL, DEMO])
def test_each_cascade_stage_has_its_own_box_deviations(name: str) -> None:
    stds = [head.bbox_coder.target_stds for head in load(name).model.roi_head.bbox_head]
    assert stds == [[0.1, 0.1, 0.2, 0.2], [0.05, 0.05, 0.1, 0.1], [0.033, 0.033, 0.067, 0.067]]


@pytest.mark.parametrize(("blog", "paper"), zip(BLOG, PAPER, strict=True))
def test_variants_differ_in_the_same_settings_for_every_size(blog: str, paper: str) -> None:
    found = changed(load(blog), load(paper))
    assert {path for path in found if not path.startswith("paper_head.")} == VARIANT


@pytest.mark.parametrize("variant", [BLOG, PAPER], ids=["blog", "paper"])
def test_sizes_of_a_variant_differ_only_in_the_backbone(variant: list[str]) -> None:
    tiny, small, base = map(load, variant)
    assert changed(tiny, small) == {"model.backbone.depths"}
    assert changed(tiny, base) == BASE_SIZE


def test_accumulation_recipes_change_no_other_setting() -> None:
    assert changed(load(BLOG[1]), load(ACCUMULATE)) == {"images_at_once"}


def test_the_giou_recipe_is_the_blog_recipe_with_the_heads_of_the_paper() -> None:
    schedule = {"param_scheduler.*.end", "optim_wrapper.loss_scale", "optim_wrapper.loss_scale.init_scale"}
    assert own_changes(BLOG[1], GIOU) == VARIANT - schedule
    assert own_changes(PAPER[1], GIOU) == schedule


def test_the_average_recipe_adds_only_its_hook() -> None:
    assert {path.split(".")[0] for path in own_changes(PAPER[1], EMA)} == {"custom_hooks"}


def test_the_recipe_for_imagenet_22k_equals_that_for_imagenet_1k() -> None:
    assert changed(load(PAPER[2]), load(IN22K)) == set()


def test_large_scale_jitter_changes_only_images_and_epochs() -> None:
    assert {re.sub(r"\.\*.*", "", path) for path in own_changes(PAPER[1], LSJ)} == {
        "PIPELINE",
        "image_size",
        "model.data_preprocessor.batch_augments",
        "model.train_cfg.rpn.allowed_border",
        "param_scheduler",
        "train_cfg.max_epochs",
        "train_dataloader.batch_sampler",
        "train_dataloader.batch_sampler.type",
    }
    # 163,889 and 177,546 of 184,375 steps in detectron2's new_baselines and ViTDet.
    assert load(LSJ).param_scheduler[1].milestones == [round(100 * step / 184_375) for step in (163_889, 177_546)]
    assert load(LSJ).param_scheduler[1].end == load(LSJ).train_cfg.max_epochs == 100


def test_copy_paste_changes_only_the_data_set_of_the_training() -> None:
    before, after = load(LSJ), load(COPY_PASTE)
    assert {path.split(".")[0] for path in changed(before, after)} == {"PIPELINE", "train_dataloader"}
    assert after.train_dataloader.dataset.dataset.filter_cfg == before.train_dataloader.dataset.filter_cfg
    assert after.train_dataloader.dataset.dataset.pipeline[:-1] == before.train_dataloader.dataset.pipeline[:-1]


def own_changes(before: str, after: str) -> set[str]:
    """Returns the changed settings without the variable that holds the paper's heads."""
    return {path for path in changed(load(before), load(after)) if not path.startswith("paper_head.")}


def test_the_demo_recipe_changes_only_sizes() -> None:
    assert changed(load(BLOG[0]), load(DEMO)) == DEMO_MAY_CHANGE


@pytest.mark.parametrize("name", [*FULL, *NEW, DEMO])
def test_the_metafile_matches_the_recipes(name: str) -> None:
    all_facts = json.loads((RECIPES / "metafile.json").read_text())
    facts = all_facts[name]
    if name in NEW:
        # The models are the same.
        assert facts["parameters"] == all_facts[PAPER[2] if name == IN22K else PAPER[1]]["parameters"]
    assert facts["epochs"] == load(name).train_cfg.max_epochs
    size, variant = re.search(r"swin-(.+?)(?:_(.+))?$", name).groups()
    assert facts["title"].startswith(f"Swin-{size.upper()}, the {variant.split('-')[0]}'s" if variant else "The blog's")


@pytest.mark.parametrize("name", [*FULL, *NEW])
def test_each_run_file_uses_the_gpus_of_the_blog_and_the_batch_of_its_variant(name: str) -> None:
    runs = [json.loads(file.read_text()) for file in RUNS.glob("*.json")]
    # Other run files start from a released detector.
    [run] = [one for one in runs if one["recipe"] == name and "backbone" in one["weights"]]
    assert run["name"] == name.removeprefix("cascade-mask-rcnn_").replace("_", "-")
    assert (run["dataset"], run["gpus"]) == ("coco-2017", 4)
    assert run["epochs"] == load(name).train_cfg.max_epochs
    assert run["weights"]["backbone"] == f"{name[18:24]}-imagenet{'22k' if name == IN22K else '1k'}"
    assert run["gpus"] * run["batchPerGpu"] == (8 if name in (*BLOG, GIOU) else 16)
    # A GPU with 24 GB holds two images; the paper also trained two images on each of its 8 GPUs.
    assert load(name).get("images_at_once", run["batchPerGpu"]) == 2
