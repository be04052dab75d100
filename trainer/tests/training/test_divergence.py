from types import SimpleNamespace

import pytest
from mmengine.logging import HistoryBuffer

from everswin_trainer.training.divergence import DivergenceHook


def train(losses: list[float]) -> None:
    history = HistoryBuffer()
    hub = SimpleNamespace(get_scalar=lambda _name: history)
    hook = DivergenceHook()
    for number, loss in enumerate(losses):
        history.update(loss)
        hook.after_train_iter(SimpleNamespace(message_hub=hub, iter=number), number)


def test_five_consecutive_non_finite_losses_are_a_divergence() -> None:
    with pytest.raises(FloatingPointError, match=r"^training diverged: the loss was not finite in steps 3-7$"):
        train([1.0, 1.0] + [float("nan"), float("inf")] * 3)


def test_a_loss_that_becomes_finite_again_is_no_divergence() -> None:
    train([float("nan")] * 4 + [1.0] + [float("inf")] * 4 + [1.0])
