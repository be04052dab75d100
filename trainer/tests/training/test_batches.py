import pytest
import torch
from torch.utils.data import RandomSampler

from everswin_trainer.training.batches import ResumableBatchSampler


def batches() -> ResumableBatchSampler:
    """Returns a sampler of 10 samples in 4 batches per epoch, always in the same order."""
    order = RandomSampler(range(10), generator=torch.Generator().manual_seed(1))
    return ResumableBatchSampler(order, batch_size=3, inner=None)


@pytest.mark.parametrize("skip", [0, 2, 4])
def test_sampler_skips_the_first_batches_of_the_next_epoch(skip: int) -> None:
    resumed = batches()
    resumed.skip = skip
    assert list(resumed) == list(batches())[skip:]


def test_sampler_yields_all_batches_of_the_epoch_after_a_skip() -> None:
    resumed = batches()
    resumed.skip = 3
    assert [len(list(resumed)), len(list(resumed))] == [1, 4]


def test_sampler_length_is_that_of_a_full_epoch() -> None:
    resumed = batches()
    resumed.skip = 3
    assert len(resumed) == 4
