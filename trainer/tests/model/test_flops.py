"""Compares the counted FLOPs with those of complete training steps, and checks that counting changes no bit."""

import copy

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS
from recipe_files import HEIGHT, WIDTH, built, fill_registries, two_images
from torch.utils.flop_counter import FlopCounterMode

fill_registries()

from everswin_trainer.job.speed import Speed  # noqa: E402
from everswin_trainer.model.accelerate import accelerate  # noqa: E402
from everswin_trainer.model.flops import FlopCounter, count_image, without_data  # noqa: E402

IMAGE_SIZE = HEIGHT, WIDTH


@pytest.fixture
def model() -> torch.nn.Module:
    torch.manual_seed(0)
    return MODELS.build(Config(built("demo", "cpu").to_dict()).model).train()


def step(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Returns the losses and gradients of one batch."""
    torch.manual_seed(3)
    loss, losses = model.parse_losses(model(**model.data_preprocessor(two_images(), training=True), mode="loss"))
    loss.backward()
    return {**losses, **{name: weight.grad for name, weight in model.named_parameters()}}


def test_flop_counter_equals_torch_in_a_complete_training_step(model: torch.nn.Module) -> None:
    counter = FlopCounter(model, IMAGE_SIZE)
    with FlopCounterMode(display=False) as torch_counter:
        step(model)
    assert counter.take() == pytest.approx(torch_counter.get_total_flops(), rel=1e-9)
    assert counter.take() == 0


def test_flop_counter_counts_the_same_when_the_speed_switches_are_on(model: torch.nn.Module) -> None:
    fast = copy.deepcopy(model)
    accelerate(fast, Speed(sdpa_attention=True, channels_last=True))
    # As Module.compile, without the seconds that torch takes to import its compiler.
    fast.backbone.stages[0].blocks[0].ffn.layers._compiled_call_impl = pytest.fail
    assert count_image(without_data(fast), IMAGE_SIZE) == count_image(without_data(model), IMAGE_SIZE)


def test_flop_counter_changes_no_bit_of_losses_gradients_and_random_numbers(model: torch.nn.Module) -> None:
    counted = copy.deepcopy(model)
    random = torch.get_rng_state()
    counter = FlopCounter(counted)
    assert torch.equal(torch.get_rng_state(), random)
    expected, actual = step(model), step(counted)
    assert counter.take() > 0
    assert all(torch.equal(expected[name], actual[name]) for name in expected)


def test_flop_counter_ignores_a_model_that_is_not_in_training_mode(model: torch.nn.Module) -> None:
    counter = FlopCounter(model)
    model.eval().backbone(torch.zeros(1, 3, 64, 64))
    assert counter.take() == 0
