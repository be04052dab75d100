import gc
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.optim import LinearLR, MultiStepLR, OptimWrapper

from everswin_trainer.training.learning_rate import scale_learning_rate
from everswin_trainer.training.state import (
    Snapshots,
    is_at_epoch_end,
    read,
    restore_optimizer,
    size_in_bytes,
    weights_are_finite,
    write,
)


class Training:
    """An optimizer with two groups, one of which has a fifth of the learning rate, and the demo's two schedulers."""

    def __init__(self, lr: float = 0.01) -> None:
        torch.manual_seed(0)
        self.model = torch.nn.Linear(4, 4)
        groups = [{"params": [self.model.weight]}, {"params": [self.model.bias], "lr": lr / 5}]
        self.wrapper = OptimWrapper(torch.optim.AdamW(groups, lr=lr))
        warm_up = LinearLR(self.wrapper, start_factor=0.1, by_epoch=False, begin=0, end=4)
        self.schedulers = [warm_up, MultiStepLR(self.wrapper, by_epoch=True, milestones=[2, 3], gamma=0.1, end=4)]

    def train(self, epochs: int) -> list[list[float]]:
        """Returns the learning rates of both groups at each step, with 3 steps per epoch."""
        rates = []
        for _ in range(epochs):
            for _ in range(3):
                rates.append([group["lr"] for group in self.wrapper.optimizer.param_groups])
                self.wrapper.update_params(self.model(torch.ones(4)).square().sum())
                self.schedulers[0].step()
            self.schedulers[1].step()
        return rates

    def state(self) -> dict[str, Any]:
        schedulers = [scheduler.state_dict() for scheduler in self.schedulers]
        return Snapshots().take({"optimizer": self.wrapper.state_dict(), "schedulers": schedulers})

    def resume(self, state: dict[str, Any]) -> "Training":
        restore_optimizer(self.wrapper, state["optimizer"])
        for scheduler, saved in zip(self.schedulers, state["schedulers"], strict=True):
            scheduler.load_state_dict(saved)
        return self


def flat(rates: list[list[float]]) -> list[float]:
    return [rate for step in rates for rate in step]


def test_a_snapshot_does_not_change_while_training_continues() -> None:
    live = {"weights": torch.ones(3), "steps": [torch.zeros(1), 4], "seen": Counter({2: 1}), "name": "adam"}
    copied = Snapshots().take(live)
    for tensor in (live["weights"], live["steps"][0]):
        tensor.add_(5)
    assert torch.equal(copied["weights"], torch.ones(3))
    assert torch.equal(copied["steps"][0], torch.zeros(1))
    assert (copied["steps"][1], copied["seen"], copied["name"]) == (4, Counter({2: 1}), "adam")


def test_the_next_snapshot_reuses_the_memory_of_the_previous_one() -> None:
    snapshots = Snapshots()
    first = snapshots.take({"weights": [torch.zeros(3)]})
    second = snapshots.take({"weights": [torch.ones(3)], "more": torch.ones(2)})
    assert second["weights"][0].data_ptr() == first["weights"][0].data_ptr()
    assert second["weights"][0].tolist() == [1, 1, 1]
    assert snapshots.take({"weights": [torch.ones(4)]})["weights"][0].shape == (4,)


def test_the_size_of_a_snapshot_is_that_of_its_tensors() -> None:
    state = {"a": torch.zeros(10), "b": [torch.zeros(3, dtype=torch.int64), {"c": torch.zeros(2)}], "d": "text"}
    assert size_in_bytes(state) == 40 + 24 + 8


def test_weights_with_nan_or_infinity_are_not_finite() -> None:
    counted = torch.tensor(7)
    assert weights_are_finite({"state_dict": {"w": torch.ones(2), "num_batches_tracked": counted}})
    for value in (float("nan"), float("inf")):
        assert not weights_are_finite({"state_dict": {"w": torch.tensor([1.0, value])}})
        behind = {"module.w": torch.tensor([1.0, value]), "steps": counted}
        assert not weights_are_finite({"state_dict": {"w": torch.ones(2)}, "ema_state_dict": behind})


def test_a_learning_rate_factor_of_one_changes_no_bit() -> None:
    one, other = Training(), Training()
    one.train(1)
    other.train(1)
    scale_learning_rate(one.wrapper, one.schedulers, 0.3 / 0.3)
    assert one.state()["schedulers"] == other.state()["schedulers"]
    assert flat(one.train(4)) == flat(other.train(4))


@pytest.mark.parametrize("epochs", [0, 1, 2, 3])
def test_a_learning_rate_scaled_during_training_follows_the_scaled_schedule(epochs: int) -> None:
    scaled, small = Training(), Training(lr=0.01 * 0.25)
    scaled.train(epochs)
    small.train(epochs)
    resumed = Training().resume(scaled.state())
    scale_learning_rate(resumed.wrapper, resumed.schedulers, 0.25)
    assert flat(resumed.train(5 - epochs)) == pytest.approx(flat(small.train(5 - epochs)), rel=1e-12)
    for one, other in zip(resumed.schedulers, small.schedulers, strict=True):
        assert one.base_values == pytest.approx(other.base_values, rel=1e-12)
        assert one.get_last_value() == pytest.approx(other.get_last_value(), rel=1e-12)


def test_the_learning_rate_is_constant_after_the_end_of_the_schedule() -> None:
    rates = Training().train(8)
    assert rates[-1] == rates[3 * 4] == pytest.approx([0.01 * 0.01, 0.002 * 0.01])


def test_full_precision_resumes_from_mixed_precision() -> None:
    mixed = Training()
    mixed.train(1)
    state = mixed.state()
    state["optimizer"]["loss_scaler"] = {"scale": 512.0, "_growth_tracker": 3}
    assert flat(Training().resume(state).train(1)) == flat(mixed.train(1))


def test_a_restored_optimizer_keeps_nothing_of_the_file_which_is_deleted_later(tmp_path: Path) -> None:
    path, trained, resumed = tmp_path / "state.pth", Training(), Training()
    trained.train(1)
    with open(path, "wb") as stream:
        write({"optimizer": trained.wrapper.state_dict()}, stream)
    state = read(path)
    assert str(path) in Path("/proc/self/maps").read_text()
    restore_optimizer(resumed.wrapper, state.pop("optimizer"))
    gc.collect()
    assert str(path) not in Path("/proc/self/maps").read_text()
    for parameter, expected in zip(resumed.model.parameters(), trained.model.parameters(), strict=True):
        moments, before = (one.wrapper.optimizer.state[key] for one, key in ((resumed, parameter), (trained, expected)))
        assert all(torch.equal(moments[name], before[name]) for name in ("exp_avg", "exp_avg_sq", "step"))


@pytest.mark.parametrize(
    ("meta", "at_end"),
    [
        ({"epoch": 3, "iter": 30, "iterations_per_epoch": 10}, True),
        ({"epoch": 3, "iter": 36, "iterations_per_epoch": 10}, False),
        ({"epoch": 0, "iter": 4, "iterations_per_epoch": 10}, False),
        ({"epoch": 3, "iter": 30}, True),
        ({"epoch": 3, "iter": 31}, False),
    ],
)
def test_only_states_after_complete_epochs_are_at_the_end_of_an_epoch(meta: dict[str, int], at_end: bool) -> None:
    assert is_at_epoch_end(meta) is at_end
