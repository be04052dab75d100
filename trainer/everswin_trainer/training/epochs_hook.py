"""Ends training after the number of epochs that the control file requests, which may change while it runs."""

from mmengine.hooks import Hook
from mmengine.runner import Runner

from everswin_trainer.training.context import Context


class EpochsHook(Hook):
    """Sets the end of the train loop from rank 0's control file, at the start and after each epoch.

    The schedulers follow the plan: after their end the learning rate stays constant.
    """

    # Runs before `started` is written, and before any hook that may raise at the end of an epoch.
    priority = "HIGH"

    def __init__(self, context: Context) -> None:
        self._control = context.control
        self._rank = context.rank

    def before_train(self, runner: Runner) -> None:
        self._set_end(runner)

    def after_train_epoch(self, runner: Runner) -> None:
        self._set_end(runner)

    def _set_end(self, runner: Runner) -> None:
        loop = runner.train_loop
        loop._max_epochs = self._rank.broadcast_from_rank0(self._control.now().epochs)
        loop._max_iters = loop._max_epochs * len(loop.dataloader)
