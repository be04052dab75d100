"""MMEngine Runner that resumes from our own checkpoints."""

from typing import Any

import torch
from mmengine.config import Config
from mmengine.runner import Runner
from mmengine.utils import ManagerMixin
from mmengine.visualization import Visualizer

from everswin_trainer.job.speed import Speed
from everswin_trainer.model.accelerate import accelerate, use_channels_last, use_contiguous_format
from everswin_trainer.model.fewer_syncs import (  # noqa: F401  (register what build_config names)
    assigning,
    box_heads,
    losses,
    mask_targets,
    roi_features,
    rpn_head,
    sampling,
)
from everswin_trainer.training import losses_hook  # noqa: F401
from everswin_trainer.training.state import bare_model, restore


class EmptyVisualizer(Visualizer):
    """Shows nothing. MMEngine's would import matplotlib to prepare a figure."""

    def __init__(self, name: str) -> None:
        ManagerMixin.__init__(self, name)
        self._dataset_meta = None
        self._vis_backends = {}


class EverswinRunner(Runner):
    """Runner with a state to load: `resume_state` to resume, `initial_state` to start, or `model_state` to test."""

    initial_state: dict[str, Any] | None = None
    resume_state: dict[str, Any] | None = None
    resumes_other_plan: bool = False
    learning_rate_factor: float = 1.0
    # Before that factor; None for a runner that trains no plan.
    base_learning_rate: float | None = None
    model_state: dict[str, Any] | None = None

    def build_visualizer(self, visualizer: Any = None) -> Visualizer:
        return EmptyVisualizer.get_instance(self.experiment_name)

    def build_model(self, model: Any) -> torch.nn.Module:
        built = super().build_model(model)
        accelerate(built, self._speed())
        return built

    def _init_model_weights(self) -> None:
        """Initializes in contiguous layout, so that the random weights do not depend on the layout in training.

        Skips it before a checkpoint replaces all weights.
        """
        if self.resume_state is not None:
            return
        if not self._speed().channels_last:
            super()._init_model_weights()
            return
        use_contiguous_format(self.model)
        super()._init_model_weights()
        use_channels_last(self.model)

    def _speed(self) -> Speed:
        return Speed(**self.cfg.get("speed", {}))

    def load_or_resume(self) -> None:
        """Loads the given state. MMEngine would search the folder, and start from scratch if it finds nothing.

        As in MMEngine, the hooks of the recipe see a state before it is loaded.
        """
        if self.resume_state is not None:
            # By this, hooks know that the run resumes.
            self._resume = True
            self.call_hook("after_load_checkpoint", checkpoint=self.resume_state)
            restore(self, self.resume_state, self.learning_rate_factor, self.resumes_other_plan)
            # Frees half the memory of a checkpoint.
            self.resume_state = None
        elif self.initial_state is not None:
            # initial_detector.py verified the keys; layers that it dropped keep their random values.
            self._load_weights(self.initial_state, strict=False)
            self.initial_state = None
        elif self.model_state is not None:
            self._load_weights(self.model_state, strict=True)
            self.model_state = None

    def _load_weights(self, weights: dict[str, Any], *, strict: bool) -> None:
        self.call_hook("after_load_checkpoint", checkpoint={"state_dict": weights})
        bare_model(self).load_state_dict(weights, strict=strict)

    def dump_config(self) -> None:
        """Writes nothing: the plan holds the recipe's text, and the log holds this machine's paths."""


def build_runner(config: Config) -> EverswinRunner:
    runner = EverswinRunner.from_cfg(config)
    assert isinstance(runner, EverswinRunner)
    return runner
