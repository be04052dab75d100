"""Records the losses of each step, on request without a wait for the GPU."""

from typing import Any

import torch
from mmengine.hooks import RuntimeInfoHook
from mmengine.registry import HOOKS
from mmengine.runner import Runner


@HOOKS.register_module()
class LossesHook(RuntimeInfoHook):
    """MMEngine's hook, which records the losses in the message hub, and reports each loss to the hooks' `after_loss`.

    With `delay`, it copies all losses of a step at once, and records them in the next step: by then, the GPU has
    computed them. It waits only if another hook reads them in the same step, every `log_every_steps` steps and at the
    end of an epoch, and before a checkpoint. So the message hub of a checkpoint is the same with and without `delay`.
    """

    def __init__(self, delay: bool, log_every_steps: int) -> None:
        super().__init__()
        self._delay = delay
        self._log_every_steps = log_every_steps
        self._pending: LossCopy | None = None

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict[str, torch.Tensor] | None = None
    ) -> None:
        done = runner.iter + 1
        if not self._delay:
            self._record(runner, outputs, done)
            return
        self._record_pending(runner)
        self._pending = LossCopy(outputs, done) if outputs else None
        if self._is_read(runner, batch_idx, done):
            self._record_pending(runner)

    def before_capture(self, runner: Runner) -> None:
        self._record_pending(runner)

    def _record_pending(self, runner: Runner) -> None:
        copy, self._pending = self._pending, None
        if copy:
            self._record(runner, copy.read(), copy.iteration)

    def _record(self, runner: Runner, losses: dict[str, Any] | None, iteration: int) -> None:
        super().after_train_iter(runner, 0, outputs=losses)
        loss = runner.message_hub.get_scalar("train/loss").current()
        runner.call_hook("after_loss", loss=loss, iteration=iteration)

    def _is_read(self, runner: Runner, batch_idx: int, done: int) -> bool:
        """Returns whether ProgressHook or LoggerHook reads this step, which count it from different starts."""
        if done % len(runner.train_dataloader) == 0:
            return True
        return any(count % self._log_every_steps == 0 for count in (done, batch_idx + 1))


class LossCopy:
    """The losses of a step on their way from the GPU."""

    def __init__(self, losses: dict[str, torch.Tensor], iteration: int) -> None:
        self.iteration = iteration
        self._names = list(losses)
        values = torch.stack([loss.detach() for loss in losses.values()])
        # Only a copy to pinned memory does not wait.
        self._on_host = torch.empty_like(values, device="cpu", pin_memory=values.is_cuda)
        self._on_host.copy_(values, non_blocking=True)
        self._copied = torch.cuda.Event() if values.is_cuda else None
        if self._copied:
            self._copied.record()

    def read(self) -> dict[str, float]:
        """Returns the losses as numbers, after a wait for those of this step only."""
        if self._copied:
            self._copied.synchronize()
        return dict(zip(self._names, self._on_host.tolist(), strict=True))
