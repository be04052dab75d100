import random

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from everswin_trainer.training.randomness import SeedSample, derive


def draw(seed: int, epoch: int, sample: int) -> tuple[float, float]:
    first = SeedSample(seed)
    first.epoch.value = epoch
    first.transform({"sample_idx": sample})
    return random.random(), float(np.random.rand())


def test_random_draws_depend_only_on_seed_epoch_and_sample() -> None:
    assert draw(1, 2, 3) == draw(1, 2, 3)
    assert len({draw(seed, epoch, sample) for seed in (1, 2) for epoch in (1, 2) for sample in (1, 2)}) == 8


def test_random_draws_equal_the_recorded_values() -> None:
    assert derive(1, "step", 0, 7).hex() == "62031445099075a5ced64ff669a058b6"


class RandomDataset(Dataset[float]):
    def __init__(self) -> None:
        self.first = SeedSample(0)

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> float:
        self.first.transform({"sample_idx": index})
        return float(np.random.rand())


def draw_epochs(workers: int, epochs: int) -> list[list[float]]:
    data = RandomDataset()
    loader = DataLoader(data, batch_size=2, num_workers=workers, persistent_workers=workers > 0)
    epochs_drawn = []
    for epoch in range(epochs):
        data.first.epoch.value = epoch
        epochs_drawn.append(torch.cat(list(loader)).tolist())
    return epochs_drawn


def test_persistent_loader_workers_draw_as_a_single_process_in_every_epoch() -> None:
    expected = draw_epochs(workers=0, epochs=3)
    assert draw_epochs(workers=2, epochs=3) == expected
    assert expected[0] != expected[1] != expected[2]
