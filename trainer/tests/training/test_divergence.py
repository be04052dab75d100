import pytest
import torch
from mmengine.hooks import Hook
from mmengine.logging import MessageHub

from everswin_trainer.training.divergence import DivergenceHook
from everswin_trainer.training.losses_hook import LossesHook

STEPS_PER_EPOCH = 20
LOG_EVERY_STEPS = 9


class Runner:
    """Calls hooks like MMEngine's Runner, for steps with given losses."""

    def __init__(self, *hooks: Hook) -> None:
        self.hooks = hooks
        self.message_hub = MessageHub("test")
        self.train_dataloader = range(STEPS_PER_EPOCH)
        self.iter = 0

    def call_hook(self, name: str, **values: object) -> None:
        for hook in self.hooks:
            if hasattr(hook, name):
                getattr(hook, name)(self, **values)

    def train(self, losses: list[float]) -> None:
        for loss in losses:
            outputs = {"loss": torch.tensor(loss), "acc": torch.tensor(loss / 2)}
            self.call_hook("after_train_iter", batch_idx=self.iter, outputs=outputs)
            self.iter += 1

    def recorded(self) -> list[float]:
        return self.message_hub.get_scalar("train/loss").data[0].tolist()


def watched(delay: bool) -> Runner:
    return Runner(LossesHook(delay, LOG_EVERY_STEPS), DivergenceHook())


NAN = float("nan")
DIVERGED = r"^training diverged: the loss was not finite in steps 3-7$"


@pytest.mark.parametrize("delay", [False, True])
def test_five_consecutive_non_finite_losses_are_a_divergence(delay: bool) -> None:
    runner = watched(delay)
    # A delayed loss is observed in the next step.
    with pytest.raises(FloatingPointError, match=DIVERGED):
        runner.train([1.0, 1.0] + [NAN, float("inf")] * 2 + [NAN] + [1.0] * delay)
    assert runner.iter == 6 + delay


def test_a_divergence_is_found_before_a_checkpoint_when_losses_are_delayed() -> None:
    runner = watched(delay=True)
    runner.train([1.0, 1.0] + [NAN] * 5)
    with pytest.raises(FloatingPointError, match=DIVERGED):
        runner.call_hook("before_capture")


@pytest.mark.parametrize("delay", [False, True])
def test_a_loss_that_becomes_finite_again_is_no_divergence(delay: bool) -> None:
    runner = watched(delay)
    runner.train([NAN] * 4 + [1.0] + [float("inf")] * 4 + [1.0])
    runner.call_hook("before_capture")


def test_delayed_losses_are_recorded_one_step_later_or_where_another_hook_reads_them() -> None:
    losses = [float(step) for step in range(1, STEPS_PER_EPOCH + 1)]
    read = {LOG_EVERY_STEPS, 2 * LOG_EVERY_STEPS, STEPS_PER_EPOCH}
    delayed = watched(delay=True)
    delayed.train(losses[:1])
    assert delayed.message_hub.log_scalars == {}
    for step in range(2, STEPS_PER_EPOCH + 1):
        delayed.train([losses[step - 1]])
        assert delayed.recorded() == losses[: step if step in read else step - 1]


def test_a_checkpoint_has_the_same_losses_with_and_without_delay() -> None:
    hubs = []
    for delay in (False, True):
        runner = watched(delay)
        runner.train([1.5, 2.5, 3.5])
        runner.call_hook("before_capture")
        hubs.append({name: one.data[0].tolist() for name, one in runner.message_hub.log_scalars.items()})
    assert hubs[0] == hubs[1] == {"train/loss": [1.5, 2.5, 3.5], "train/acc": [0.75, 1.25, 1.75]}
