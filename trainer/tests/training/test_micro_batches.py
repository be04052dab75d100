import copy
from typing import Any

import pytest
import torch
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper

from everswin_trainer.training.micro_batches import cut, train_step

IMAGES = 5


class Wrapped(torch.nn.Module):
    """Imitates MMDistributedDataParallel and records when gradients would be reduced."""

    def __init__(self, module: BaseModel) -> None:
        super().__init__()
        self.module = module
        self.exchanges: list[bool] = []
        self._exchanges = True

    def no_sync(self) -> Any:
        wrapped = self

        class NoSync:
            def __enter__(self) -> None:
                wrapped._exchanges = False

            def __exit__(self, *_: object) -> None:
                wrapped._exchanges = True

        return NoSync()

    def _run_forward(self, data: Any, mode: str) -> Any:
        self.exchanges.append(self._exchanges)
        return self.module._run_forward(data, mode)


class Regression(BaseModel):
    """A model whose loss is a mean over images, without running statistics."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.GELU(), torch.nn.Linear(16, 1))

    def forward(self, inputs: list[Any], data_samples: list[Any], mode: str) -> dict[str, torch.Tensor]:
        error = self.layers(torch.stack(inputs)).squeeze(1) - torch.stack(data_samples)
        return {"loss_square": error.square().mean(), "loss_abs": error.abs().mean(), "acc": error.max()}


@pytest.fixture
def batch() -> dict[str, list[Any]]:
    generator = torch.Generator().manual_seed(1)
    inputs = [torch.randn(8, generator=generator) for _ in range(IMAGES)]
    return {"inputs": inputs, "data_samples": [torch.randn((), generator=generator) for _ in range(IMAGES)]}


def wrapper_of(model: torch.nn.Module) -> OptimWrapper:
    return OptimWrapper(torch.optim.AdamW(model.parameters(), lr=0.01), clip_grad={"max_norm": 35})


@pytest.mark.parametrize("parts", [1, 2, 3, 5, 9])
def test_steps_in_micro_batches_equal_undivided_steps(batch: dict[str, list[Any]], parts: int) -> None:
    undivided = Regression()
    divided = copy.deepcopy(undivided)
    optimizers = wrapper_of(undivided), wrapper_of(divided)
    for _ in range(3):
        expected = undivided.train_step(copy.deepcopy(batch), optimizers[0])
        logged = train_step(divided, cut(copy.deepcopy(batch), parts), IMAGES, optimizers[1])
        for name in ("loss", "loss_square", "loss_abs"):
            assert logged[name].item() == pytest.approx(expected[name].item(), abs=1e-5)
    assert logged.keys() == expected.keys()
    for one, other in zip(undivided.parameters(), divided.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-5)


class PerObject(Regression):
    """A model like a detector: its loss is a mean over the objects of its input, which vary in number per image."""

    def forward(self, inputs: list[Any], data_samples: list[Any], mode: str) -> dict[str, torch.Tensor]:
        error = self.layers(torch.stack(inputs)).squeeze(1)
        objects = 1 + torch.stack(data_samples).abs()
        return {"loss": (error.square() * objects).sum() / objects.sum()}


def test_two_micro_batches_of_one_rank_equal_a_step_of_two_ranks(batch: dict[str, list[Any]]) -> None:
    batch = {name: values[:4] for name, values in batch.items()}
    ranks, divided = PerObject(), PerObject()
    optimizers = wrapper_of(ranks), wrapper_of(divided)
    for piece in cut(batch, 2):
        # Ranks average their gradients.
        (ranks(piece["inputs"], piece["data_samples"], "loss")["loss"] / 2).backward()
    optimizers[0].step()
    train_step(divided, cut(batch, 2), 4, optimizers[1])
    for one, other in zip(ranks.parameters(), divided.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-6)


def test_ranks_reduce_gradients_once_per_step(batch: dict[str, list[Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "everswin_trainer.training.micro_batches.is_model_wrapper", lambda model: isinstance(model, Wrapped)
    )
    model = Wrapped(Regression())
    train_step(model, cut(batch, 3), IMAGES, wrapper_of(model))
    assert model.exchanges == [False, False, True]


@pytest.mark.parametrize(("parts", "sizes"), [(1, [5]), (2, [2, 3]), (4, [1, 1, 1, 2]), (7, [1] * 5)])
def test_a_batch_is_split_in_order_into_parts_of_nearly_equal_size(
    batch: dict[str, list[Any]], parts: int, sizes: list[int]
) -> None:
    pieces = list(cut(batch, parts))
    assert [len(piece["inputs"]) for piece in pieces] == sizes
    assert [one for piece in pieces for one in piece["data_samples"]] == batch["data_samples"]
