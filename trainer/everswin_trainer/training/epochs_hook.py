"""How long training goes on: as many epochs as the orders say, which may change while it runs."""

from mmengine.hooks import Hook
from mmengine.runner import Runner

from everswin_trainer.training.context import Context


class EpochsHook(Hook):
    """Sets the train loop's end, from the first rank's orders, at the start and whenever an epoch is done.

    The schedulers were built from the plan and stay as they are: beyond their end they leave the learning rate alone.
    """

    # Before `started` is written, and before any hook that may leave an epoch's end by an exception.
    priority = "HIGH"

    def __init__(self, context: Context) -> None:
        self._orders = context.orders
        self._rank = context.rank

    def before_train(self, runner: Runner) -> None:
        self._set_end(runner)

    def after_train_epoch(self, runner: Runner) -> None:
        self._set_end(runner)

    def _set_end(self, runner: Runner) -> None:
        loop = runner.train_loop
        loop._max_epochs = self._rank.broadcast_from_rank0(self._orders.now().epochs)
        loop._max_iters = loop._max_epochs * len(loop.dataloader)
