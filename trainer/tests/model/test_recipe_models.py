"""Builds the models of the recipes and checks their sizes, weight decay and gradients."""

import math
from collections.abc import Iterator

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS
from recipe_files import built, fill_registries, two_images

# Millions of parameters: ours to two digits, and as published; there is no published number for the blog's models.
SIZES = {
    "t_blog": (80.72, None),
    "s_blog": (102.04, None),
    "b_blog": (140.07, None),
    "t_paper": (85.63, 86),
    "s_paper": (106.95, 107),
    "b_paper": (144.98, 145),
}
# Gradients reach every part of the model with far fewer boxes and proposals than in training.
FEW_BOXES, FEW_PROPOSALS = 16, 64
STAGE_LOSSES = {f"s{stage}.loss_{kind}" for stage in range(3) for kind in ("cls", "bbox", "mask")}


@pytest.fixture(scope="module", params=SIZES)
def recipe(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def model(recipe: str) -> Iterator[torch.nn.Module]:
    """Returns the model of a recipe as it is trained on a CPU."""
    fill_registries()
    torch.manual_seed(0)
    yield MODELS.build(Config(built(recipe, "cpu").to_dict()).model)


def test_model_has_the_published_number_of_parameters(recipe: str, model: torch.nn.Module) -> None:
    exact, published = SIZES[recipe]
    millions = sum(weight.numel() for weight in model.parameters()) / 1e6
    assert millions == pytest.approx(exact, abs=0.005)
    assert published is None or round(millions) == published


def test_weight_decay_excludes_only_norms_and_position_parameters(recipe: str, model: torch.nn.Module) -> None:
    optimizer = build_optim_wrapper(model, built(recipe, "cpu").optim_wrapper).optimizer
    assert type(optimizer) is torch.optim.AdamW
    names = {id(weight): name for name, weight in model.named_parameters()}
    decays = {names[id(group["params"][0])]: group["weight_decay"] for group in optimizer.param_groups}
    assert decays.keys() == set(names.values()), "each parameter is a group of its own"
    assert {group["lr"] for group in optimizer.param_groups} == {0.0001}
    assert {group["betas"] for group in optimizer.param_groups} == {(0.9, 0.999)}
    for name, decay in decays.items():
        spared = "norm" in name or "relative_position_bias_table" in name
        assert decay == (0 if spared else 0.05), name
    layer_norms = [name for name, part in model.named_modules() if isinstance(part, torch.nn.LayerNorm)]
    assert {decays[f"{name}.{kind}"] for name in layer_norms for kind in ("weight", "bias")} == {0}
    # The models have no absolute position. SyncBN of the heads is named bn and decays, as in the paper's repository.
    assert not any("absolute_pos_embed" in name for name in decays)
    head_norms = [decay for name, decay in decays.items() if ".bn." in name]
    assert head_norms == ([0.05] * 3 * 4 * 2 if recipe.endswith("paper") else [])


def test_a_training_step_has_finite_losses_and_gradients_for_all_parameters(
    recipe: str, model: torch.nn.Module
) -> None:
    for stage in model.roi_head.bbox_sampler:
        stage.num = FEW_BOXES
    model.train_cfg.rpn_proposal.max_per_img = FEW_PROPOSALS
    data = model.data_preprocessor(two_images(), training=True)
    losses = model(**data, mode="loss")
    loss, logged = model.parse_losses(losses)
    assert STAGE_LOSSES | {"loss_rpn_cls", "loss_rpn_bbox", "loss"} <= logged.keys()
    assert all(math.isfinite(value.item()) for value in logged.values())
    loss.backward()
    # DDP would wait indefinitely for the gradient of an unused parameter.
    without = [name for name, weight in model.named_parameters() if weight.grad is None]
    assert without == []
    assert all(torch.isfinite(weight.grad).all() for weight in model.parameters())
    assert all(weight.grad.abs().sum() > 0 for name, weight in model.named_parameters() if "fc_reg" in name)
