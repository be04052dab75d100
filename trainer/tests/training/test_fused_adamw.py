import copy

import pytest
import torch
from mmengine.optim import OptimWrapper

from everswin_trainer.training.fused_adamw import FusedAdamW, merge_groups
from everswin_trainer.training.state import restore_optimizer

STEPS = 20


class Network(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = torch.nn.Conv2d(3, 8, 3)
        self.norm = torch.nn.LayerNorm(8)
        self.head = torch.nn.Linear(8, 4)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.norm(self.conv(images).mean((2, 3)))).square().mean()


def groups_of(network: Network) -> list[dict]:
    """Returns one group per parameter, as MMEngine creates them for a recipe with multipliers."""
    return [
        {"params": [parameter], "lr": 0.01, "weight_decay": 0.0 if "norm" in name else 0.05}
        for name, parameter in network.named_parameters()
    ]


def wrapper_of(network: Network, kind: type[torch.optim.Optimizer]) -> OptimWrapper:
    return OptimWrapper(kind(groups_of(network), lr=0.01, betas=(0.9, 0.999)))


def train(network: Network, wrapper: OptimWrapper, first: int, steps: int) -> list[float]:
    losses = []
    for step in range(first, first + steps):
        for group in wrapper.param_groups:
            group["lr"] = 0.01 / (1 + step)
        loss = network(torch.randn(4, 3, 9, 9, generator=torch.Generator().manual_seed(step)))
        wrapper.update_params(loss)
        losses.append(loss.item())
    return losses


def test_fused_adamw_equals_the_stock_optimizer_after_twenty_steps() -> None:
    stock, fused = Network(), Network()
    wrappers = wrapper_of(stock, torch.optim.AdamW), wrapper_of(fused, FusedAdamW)
    losses = [train(network, wrapper, 0, STEPS) for network, wrapper in zip((stock, fused), wrappers, strict=True)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)
    assert not torch.equal(stock.conv.weight, Network().conv.weight), "training must change the weights"
    for one, other in zip(stock.parameters(), fused.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-5)
    states = [wrapper.state_dict()["state"] for wrapper in wrappers]
    for number, moments in states[0].items():
        for name, value in moments.items():
            torch.testing.assert_close(states[1][number][name], value, rtol=0, atol=1e-5)


def test_parameters_with_equal_settings_share_one_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    kernel = torch._fused_adamw_
    monkeypatch.setattr(
        torch,
        "_fused_adamw_",
        lambda parameters, *rest, **more: (calls.append(len(parameters)), kernel(parameters, *rest, **more)),
    )
    network = Network()
    wrapper = wrapper_of(network, FusedAdamW)
    train(network, wrapper, 0, 1)
    assert sorted(calls) == [2, 4], "norm without decay, the rest with"
    assert len(wrapper.optimizer.param_groups) == 6, "groups stay as MMEngine created them"


def test_groups_with_different_settings_stay_separate() -> None:
    groups = [{"params": [n], "lr": lr, "betas": (0.9, 0.999)} for n, lr in enumerate((0.1, 0.2, 0.1))]
    assert merge_groups(groups) == [
        {"params": [0, 2], "lr": 0.1, "betas": (0.9, 0.999)},
        {"params": [1], "lr": 0.2, "betas": (0.9, 0.999)},
    ]
    assert groups[0]["params"] == [0]


@pytest.mark.parametrize(
    ("before", "after"), [(torch.optim.AdamW, FusedAdamW), (FusedAdamW, torch.optim.AdamW), (FusedAdamW, FusedAdamW)]
)
def test_fused_and_stock_checkpoints_are_interchangeable_in_any_memory_format(before: type, after: type) -> None:
    reference, first = Network(), Network()
    expected = train(reference, wrapper_of(reference, torch.optim.AdamW), 0, 6)
    wrapper = wrapper_of(first, before)
    train(first, wrapper, 0, 3)
    second = Network().to(memory_format=torch.channels_last)
    second.load_state_dict(first.state_dict())
    resumed = wrapper_of(second, after)
    restore_optimizer(resumed, copy.deepcopy(wrapper.state_dict()))
    assert {group["fused"] for group in resumed.optimizer.param_groups} == {True if after is FusedAdamW else None}
    assert resumed.optimizer.state[second.conv.weight]["exp_avg"].stride() == second.conv.weight.stride()
    assert train(second, resumed, 3, 3) == pytest.approx(expected[3:], abs=1e-5)


def test_fused_adamw_skips_a_step_when_the_loss_scaler_finds_an_overflow() -> None:
    ends = []
    for kind in (torch.optim.AdamW, FusedAdamW):
        network = Network()
        optimizer = kind(groups_of(network), lr=0.01)
        scaler = torch.amp.GradScaler("cpu", init_scale=512)
        for step in range(6):
            optimizer.zero_grad()
            loss = network(torch.randn(4, 3, 9, 9, generator=torch.Generator().manual_seed(step)))
            scaler.scale(loss * (float("inf") if step == 3 else 1.0)).backward()
            before = network.head.weight.detach().clone()
            scaler.step(optimizer)
            scaler.update()
            assert torch.equal(network.head.weight, before) == (step == 3)
        ends.append((scaler.get_scale(), [weight.detach() for weight in network.parameters()]))
    assert ends[0][0] == ends[1][0] == 256
    for one, other in zip(ends[0][1], ends[1][1], strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-5)
