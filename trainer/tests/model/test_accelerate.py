"""Tests that the speed switches do not change the results of complete models."""

import copy
from dataclasses import replace

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS
from recipe_files import built, fill_registries, two_images

fill_registries()
from mmcv.ops import RoIAlign  # noqa: E402

from everswin_trainer.job.speed import Speed  # noqa: E402
from everswin_trainer.model.accelerate import accelerate  # noqa: E402

OFF = Speed()
ALL_OF_MODEL = Speed(sdpa_attention=True, channels_last=True)


# The heads of cascade-mask-rcnn_swin-t_paper.py, at the size of the demo.
PAPER_HEAD = {
    "type": "ConvFCBBoxHead",
    "num_shared_convs": 4,
    "num_shared_fcs": 1,
    "conv_out_channels": 32,
    "norm_cfg": {"type": "BN"},
    "reg_class_agnostic": False,
    "reg_decoded_bbox": True,
    "loss_bbox": {"type": "GIoULoss", "loss_weight": 10.0},
}


@pytest.fixture(scope="module", params=["blog", "paper"])
def model(request: pytest.FixtureRequest) -> torch.nn.Module:
    """Returns the model of the demo with either kind of heads, as it is trained on a CPU."""
    config = Config(built("demo", "cpu").to_dict()).model
    if request.param == "paper":
        config.roi_head.bbox_head = [{**head, **PAPER_HEAD} for head in config.roi_head.bbox_head]
    torch.manual_seed(0)
    return MODELS.build(config)


def step(model: torch.nn.Module) -> tuple[float, dict[str, torch.Tensor]]:
    """Returns loss and gradients of one batch, with equal seeds for drop paths and box sampling."""
    torch.manual_seed(3)
    loss, _ = model.parse_losses(model(**model.data_preprocessor(two_images(), training=True), mode="loss"))
    loss.backward()
    return loss.item(), {name: weight.grad for name, weight in model.named_parameters()}


@pytest.mark.parametrize(("dtype", "bound"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
def test_accelerate_keeps_loss_and_gradients_of_a_training_step(
    model: torch.nn.Module, dtype: torch.dtype, bound: float
) -> None:
    stock = copy.deepcopy(model).to(dtype)
    fast = copy.deepcopy(stock)
    accelerate(fast, ALL_OF_MODEL)
    (loss, gradients), (fast_loss, fast_gradients) = step(stock), step(fast)
    assert fast_loss == pytest.approx(loss, rel=bound)
    if has_batch_norm(model) and dtype is torch.float32:
        # Losses are normalized over few boxes: a rounding difference anywhere changes gradients by a thousandth.
        return
    largest = max(gradient.abs().max().item() for gradient in gradients.values())
    for name, gradient in gradients.items():
        torch.testing.assert_close(fast_gradients[name], gradient, rtol=0, atol=bound * max(1.0, largest))


def has_batch_norm(model: torch.nn.Module) -> bool:
    return any(isinstance(module, torch.nn.BatchNorm2d) for module in model.modules())


def test_accelerate_keeps_names_shapes_and_values_of_weights(model: torch.nn.Module) -> None:
    fast = copy.deepcopy(model)
    accelerate(fast, ALL_OF_MODEL)
    expected, actual = model.state_dict(), fast.state_dict()
    assert list(actual) == list(expected)
    assert all(torch.equal(actual[name], value) for name, value in expected.items())


def test_convolutions_run_channels_last_and_pooling_inputs_are_contiguous(
    model: torch.nn.Module,
) -> None:
    fast = copy.deepcopy(model)
    accelerate(fast, replace(OFF, channels_last=True))
    are_contiguous: list[bool] = []
    pools = [module for module in fast.modules() if isinstance(module, RoIAlign)]
    for pool in pools:
        pool.register_forward_pre_hook(lambda _, inputs: are_contiguous.append(inputs[0].is_contiguous()))
    from_neck: list[bool] = []
    fast.neck.register_forward_hook(
        lambda _, __, maps: from_neck.extend(one.is_contiguous(memory_format=torch.channels_last) for one in maps)
    )
    step(fast)
    assert (len(pools) > 0, set(are_contiguous), set(from_neck)) == (True, {True}, {True})


def test_accelerate_changes_nothing_without_a_switch(model: torch.nn.Module) -> None:
    same = copy.deepcopy(model)
    accelerate(same, OFF)
    before = [(name, type(module)) for name, module in model.named_modules()]
    assert [(name, type(module)) for name, module in same.named_modules()] == before
    assert all(not module._forward_pre_hooks for module in same.modules())
