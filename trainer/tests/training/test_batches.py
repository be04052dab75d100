import gc
import os

import pytest
import torch
from mmengine.dataset import DefaultSampler
from torch.utils.data import RandomSampler

from everswin_trainer.training.batches import ResumableBatchSampler, prepare_loader_worker


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


class Images:
    """A data set of `count` images, of which every third is upright."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def get_data_info(self, index: int) -> dict[str, int]:
        return {"width": 3, "height": 4} if index % 3 == 0 else {"width": 4, "height": 3}


def epochs_of_rank(
    images: int, batch: int, inner: str | None, rank: int, world: int, virtual_ranks: int = 1, skip: int = 0
) -> list[list[list[int]]]:
    """Returns the batches of two epochs of one rank."""
    sampler = DefaultSampler(Images(images), seed=3)
    sampler.__dict__ |= {"rank": rank, "world_size": world, "num_samples": -(-images // world)}
    sampler.total_size = sampler.num_samples * world
    batches = ResumableBatchSampler(sampler, batch, inner and {"type": inner}, virtual_ranks)
    epochs = []
    for epoch in range(2):
        batches.sampler.set_epoch(epoch)
        batches.skip = skip
        epochs.append(list(batches))
        assert len(epochs[-1]) == len(batches) - skip
    return epochs


@pytest.mark.parametrize("inner", [None, "AspectRatioBatchSampler"])
@pytest.mark.parametrize("images", [24, 37, 5, 101])
@pytest.mark.parametrize("batch", [1, 2, 3])
@pytest.mark.parametrize(("planned", "left"), [(4, 2), (4, 1), (6, 3), (6, 2), (8, 4), (3, 1), (2, 1), (4, 4)])
def test_fewer_ranks_read_the_batches_of_all_planned_ranks_in_their_order(
    planned: int, left: int, batch: int, images: int, inner: str | None
) -> None:
    each = planned // left
    skip = 1 if images > 24 else 0
    all_ranks = [epochs_of_rank(images, batch, inner, rank, planned, skip=skip) for rank in range(planned)]
    for rank in range(left):
        steps = epochs_of_rank(images, batch, inner, rank, left, each, skip)
        for epoch, of_epoch in enumerate(steps):
            ours = all_ranks[rank * each : (rank + 1) * each]
            expected = [[one[epoch][step] for one in ours] for step in range(len(of_epoch))]
            assert of_epoch == [[index for part in parts for index in part] for parts in expected]
            # A joined batch is cut into equal parts, one per rank of the plan.
            assert all(len({len(part) for part in parts}) == 1 for parts in expected)


def test_a_sampler_with_an_unknown_order_per_rank_is_refused_on_fewer_gpus() -> None:
    with pytest.raises(ValueError, match="expected DefaultSampler with round_up to train on fewer GPUs"):
        ResumableBatchSampler(RandomSampler(range(10)), 3, None, virtual_ranks=2)


def test_loader_worker_does_not_collect_the_objects_of_its_rank() -> None:
    gc.unfreeze()
    worker = os.fork()
    if worker == 0:
        prepare_loader_worker(0)
        # Objects that only the collector's own lists hold are new.
        os._exit(0 if gc.get_freeze_count() > 10_000 > len(gc.get_objects()) else 1)
    assert os.waitpid(worker, 0)[1] == 0
