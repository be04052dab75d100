"""Stops and resumes a run with micro-batches and a moving average between two steps: MMEngine's Runner fits a line."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from torch.utils.data import DataLoader, SequentialSampler

from everswin_trainer.model import mmcv_ops

mmcv_ops.install()

from everswin_trainer.training import micro_batches  # noqa: E402, F401  (registers the loop)
from everswin_trainer.training.batches import ResumableBatchSampler  # noqa: E402
from everswin_trainer.training.runner import EverswinRunner  # noqa: E402
from everswin_trainer.training.state import capture  # noqa: E402

# 10 images in batches of 4 make 3 steps per epoch, the last with 2 images. Each batch is split into 2 parts.
IMAGES, BATCH, PARTS, EPOCHS, STEPS = 10, 4, 2, 2, 6


class Line(BaseModel):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = torch.nn.Linear(3, 1)
        self.passes = 0

    def forward(self, inputs: list[torch.Tensor], data_samples: list[float], mode: str) -> dict[str, torch.Tensor]:
        self.passes += 1
        target = torch.tensor(data_samples)
        return {"loss": (self.layer(torch.stack(inputs)).squeeze(1) - target).square().mean()}


class Points:
    metainfo = {"classes": ("point",)}

    def __len__(self) -> int:
        return IMAGES

    def __getitem__(self, index: int) -> tuple[torch.Tensor, float]:
        return torch.randn(3, generator=torch.Generator().manual_seed(index)), index / IMAGES


class Watcher(Hook):
    """Records the content of a checkpoint after each step, at the hook point where CheckpointHook saves."""

    priority = "LOWEST"

    def __init__(self) -> None:
        self.states: dict[int, dict[str, Any]] = {}
        self.counted: list[tuple[int, int, bool]] = []

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        done = runner.iter + 1
        weight = runner.model.layer.weight
        optimizer_steps = int(runner.optim_wrapper.optimizer.state[weight]["step"])
        self.counted.append((done, optimizer_steps, weight.grad is None))
        self.states[done] = copy.deepcopy(capture(runner, runner.epoch, done, 1.0))


def collate(samples: list[tuple[torch.Tensor, float]]) -> dict[str, list[Any]]:
    return {"inputs": [one for one, _ in samples], "data_samples": [target for _, target in samples]}


def train(work_dir: Path, name: str, state: dict[str, Any] | None = None) -> tuple[Line, Watcher]:
    """Trains to the end, from the beginning or from a state."""
    model, watcher, points = Line(), Watcher(), Points()
    batches = ResumableBatchSampler(SequentialSampler(points), BATCH, inner=None)
    runner = EverswinRunner(
        model=model,
        work_dir=str(work_dir),
        experiment_name=name,
        train_dataloader=DataLoader(points, batch_sampler=batches, collate_fn=collate),
        train_cfg={"type": "MicroBatchTrainLoop", "parts": PARTS, "max_epochs": EPOCHS},
        optim_wrapper=OptimWrapper(torch.optim.AdamW(model.parameters(), lr=0.1)),
        param_scheduler=[
            {"type": "LinearLR", "start_factor": 0.1, "by_epoch": False, "begin": 0, "end": 3},
            {"type": "MultiStepLR", "by_epoch": True, "milestones": [1], "gamma": 0.1},
        ],
        default_hooks={"checkpoint": None, "sampler_seed": None},
        custom_hooks=[watcher, {"type": "EMAHook", "momentum": 0.3}],
        default_scope="mmengine",
        log_level="ERROR",
    )
    runner.resume_state = state
    runner.train()
    assert runner.iter == STEPS
    return model, watcher


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Line, Watcher]:
    return train(tmp_path_factory.mktemp("uninterrupted"), "uninterrupted")


def test_checkpoints_never_fall_between_the_micro_batches_of_a_step(uninterrupted: tuple[Line, Watcher]) -> None:
    model, watcher = uninterrupted
    assert watcher.counted == [(step, step, True) for step in range(1, STEPS + 1)], "no gradient remains to be saved"
    assert model.passes == PARTS * STEPS


@pytest.mark.parametrize("stopped_after", [1, 2, 4, 5])
def test_a_run_resumed_in_the_middle_of_an_epoch_ends_with_the_same_weights(
    stopped_after: int, uninterrupted: tuple[Line, Watcher], tmp_path: Path
) -> None:
    model, watcher = uninterrupted
    state = copy.deepcopy(watcher.states[stopped_after])
    resumed, again = train(tmp_path, f"resumed after {stopped_after}", state)
    assert [done for done, _, _ in again.counted] == list(range(stopped_after + 1, STEPS + 1))
    assert torch.equal(resumed.layer.weight, model.layer.weight)
    assert torch.equal(resumed.layer.bias, model.layer.bias)
    assert again.states[STEPS]["optimizer"]["param_groups"] == watcher.states[STEPS]["optimizer"]["param_groups"]
    assert again.states[STEPS]["param_schedulers"] == watcher.states[STEPS]["param_schedulers"]
    for part in ("state_dict", "ema_state_dict"):
        for name, tensor in watcher.states[STEPS][part].items():
            assert torch.equal(again.states[STEPS][part][name], tensor), (part, name)


def test_a_checkpoint_holds_the_average_and_the_trained_weights(uninterrupted: tuple[Line, Watcher]) -> None:
    _, watcher = uninterrupted
    average = None
    for state in watcher.states.values():
        trained = state["ema_state_dict"]["module.layer.weight"]
        average = trained if average is None else 0.7 * average + 0.3 * trained
        assert torch.allclose(state["state_dict"]["layer.weight"], average)
    assert not torch.allclose(average, trained)


def test_other_weights_replace_those_of_the_average_before_a_test(tmp_path: Path) -> None:
    model, loaded = Line(), Line()
    torch.nn.init.constant_(loaded.layer.weight, 2)
    runner = EverswinRunner(model=model, work_dir=str(tmp_path), custom_hooks=[{"type": "EMAHook"}], log_level="ERROR")
    runner.call_hook("before_run")
    runner.model_state = loaded.state_dict()
    runner.load_or_resume()
    # Swaps the weights and their average.
    runner.call_hook("before_test_epoch")
    assert torch.equal(model.layer.weight, loaded.layer.weight)
