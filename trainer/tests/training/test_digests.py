import random

import numpy as np
import torch

from everswin_trainer.training.batches import ResumableBatchSampler
from everswin_trainer.training.digests import hash_random_state, hash_tensors


def test_hash_of_tensors_does_not_depend_on_the_layout_in_memory() -> None:
    weight = torch.rand(2, 3, 4, 5)
    assert hash_tensors({"a": weight}) == hash_tensors({"a": weight.to(memory_format=torch.channels_last)})


def test_hash_of_tensors_depends_on_names_types_shapes_and_each_value() -> None:
    weight = torch.arange(6, dtype=torch.float32)
    flipped = weight.clone()
    flipped[3] += 1e-6
    states = [
        {"a": weight},
        {"b": weight},
        {"a": weight.reshape(2, 3)},
        {"a": weight.view(torch.int32)},
        {"a": flipped},
        {"a": weight, "step": torch.tensor(1.0)},
        {"a": weight, "step": 1},
    ]
    assert len({hash_tensors(state) for state in states}) == len(states)


def test_hash_of_tensors_covers_half_precision_and_empty_tensors() -> None:
    assert hash_tensors({"a": torch.ones(2, dtype=torch.bfloat16), "b": torch.empty(0)})


def test_random_state_depends_on_each_generator() -> None:
    def seed() -> None:
        random.seed(1)
        np.random.seed(1)
        torch.manual_seed(1)

    def after(draw: object) -> str:
        seed()
        draw()  # type: ignore[operator]
        return hash_random_state()

    states = [after(draw) for draw in (lambda: None, random.random, np.random.random, lambda: torch.rand(1))]
    assert len(set(states)) == 4
    assert after(lambda: None) == states[0]


def test_order_covers_the_batches_that_a_resume_skips() -> None:
    def order(skip: int, samples: range = range(10)) -> str:
        sampler = ResumableBatchSampler(samples, batch_size=3, inner=None)  # type: ignore[arg-type]
        sampler.skip = skip
        list(sampler)
        return sampler.order

    assert order(0) == order(3)
    assert order(0) != order(0, range(1, 11))
