"""MMEngine's Runner, resuming from our own checkpoints."""

from typing import Any

import torch
from mmengine.config import Config
from mmengine.runner import Runner

from everswin_trainer.job.speed import Speed
from everswin_trainer.model.accelerate import accelerate, use_channels_last, use_usual_layout
from everswin_trainer.training.state import bare_model, restore


class EverswinRunner(Runner):
    """Give it a state: `resume_state` to go on from, `initial_state` to start from, or `model_state` to test."""

    initial_state: dict[str, Any] | None = None
    resume_state: dict[str, Any] | None = None
    resumes_other_plan: bool = False
    learning_rate_factor: float = 1.0
    model_state: dict[str, Any] | None = None

    def build_model(self, model: Any) -> torch.nn.Module:
        built = super().build_model(model)
        accelerate(built, self._speed())
        return built

    def _init_model_weights(self) -> None:
        """Random numbers fill memory in its own order: the same weights, however memory is laid out in training."""
        if not self._speed().channels_last:
            super()._init_model_weights()
            return
        use_usual_layout(self.model)
        super()._init_model_weights()
        use_channels_last(self.model)

    def _speed(self) -> Speed:
        return Speed(**self.cfg.get("speed", {}))

    def load_or_resume(self) -> None:
        """MMEngine's own would search the folder, trust what it finds and start from scratch when it finds nothing."""
        if self.resume_state is not None:
            restore(self, self.resume_state, self.learning_rate_factor, self.resumes_other_plan)
            # Half the memory of a checkpoint; it has done its work.
            self.resume_state = None
        elif self.initial_state is not None:
            # All that it should hold it holds (initial_detector.py); the rest keeps its random beginning.
            bare_model(self).load_state_dict(self.initial_state, strict=False)
            self.initial_state = None
        elif self.model_state is not None:
            bare_model(self).load_state_dict(self.model_state)
            self.model_state = None

    def dump_config(self) -> None:
        """The recipe's text is in the plan, and this machine's paths are in the log."""


def build_runner(config: Config) -> EverswinRunner:
    runner = EverswinRunner.from_cfg(config)
    assert isinstance(runner, EverswinRunner)
    return runner
