"""Batches of images whose sizes fit each other, which are known before an image is loaded (image_sizes.py)."""

import copy
from collections.abc import Iterator

import numpy as np
from mmdet.registry import DATA_SAMPLERS
from mmengine.dataset import DefaultSampler
from torch.utils.data import BatchSampler

from everswin_trainer.training.batches import require_default_sampler
from everswin_trainer.training.image_sizes import require_predictable, sizes_of
from everswin_trainer.training.randomness import derive

# Images that are sorted at a time. Of COCO's, 3 % of the pixels of a step are then padding, and 2 % in one sort of all.
WINDOW = 4096


@DATA_SAMPLERS.register_module()
class SimilarSizeBatchSampler(BatchSampler):
    """Yields a rank's batches of a shuffled epoch, such that all batches of a step have similar augmented sizes.

    The epoch's order is cut into windows of at most WINDOW images, and the images of a window are sorted by size. The
    steps of all windows are shuffled, so sizes do not come sorted. Each epoch has other windows and other sizes, hence
    other batches. As without it, each image occurs once in an epoch, and images that do not fill a step come last.
    """

    def __init__(self, sampler: DefaultSampler, batch_size: int, divisor: int) -> None:
        require_default_sampler(sampler, "to choose batches by size")
        require_predictable(sampler.dataset)
        self._sampler = sampler
        self._batch_size = batch_size
        self._divisor = divisor

    def __iter__(self) -> Iterator[list[int]]:
        sampler, batch = self._sampler, self._batch_size
        sizes = sizes_of(sampler.dataset, sampler.epoch)
        order = _whole_order(sampler)
        step = sampler.world_size * batch
        steps, rest = np.split(order, [len(order) // step * step])
        steps = sort_windows(steps, sizes[steps], step, self._divisor).reshape(-1, sampler.world_size, batch)
        seed = int.from_bytes(derive(sampler.seed, "steps", sampler.epoch), "little")
        for number in np.random.default_rng(seed).permutation(len(steps)):
            yield steps[number, sampler.rank].tolist()
        if len(rest):
            yield rest[sampler.rank :: sampler.world_size].tolist()

    def __len__(self) -> int:
        return -(-len(self._sampler) // self._batch_size)


def sort_windows(order: np.ndarray, sizes: np.ndarray, step: int, divisor: int) -> np.ndarray:
    """Sorts each window of `order` by size. `sizes` (n, 2) are those of `order`, a window holds whole steps.

    Images of one padded height are sorted by width, rising and falling in turn, so that neighbors are similar.
    """
    window = np.arange(len(order)) // max(step, WINDOW // step * step)
    width, height = sizes[:, 0], -(-sizes[:, 1] // divisor)
    return order[np.lexsort((np.where(height % 2, width, -width), height, window))]


@DATA_SAMPLERS.register_module()
class EqualSizeBatchSampler(BatchSampler):
    """Yields a rank's batches of a split in its order of sizes. Images of a batch have equal sizes after padding.

    So a model gets each image as it would alone: padding beyond its own would change results. The order is fixed, and
    each rank has the same share of images, but not necessarily of batches.
    """

    def __init__(self, sampler: DefaultSampler, batch_size: int, divisor: int) -> None:
        require_default_sampler(sampler, "to choose batches by size")
        padded = -(-sizes_of(sampler.dataset, 0) // divisor)
        # As DefaultSampler, repeats the first images until all ranks have equal shares: metrics drop what is repeated.
        order = np.resize(np.lexsort(padded.T), sampler.total_size)[sampler.rank :: sampler.world_size]
        changes = np.flatnonzero(np.any(np.diff(padded[order], axis=0), axis=1)) + 1
        self._batches = [
            equal[first : first + batch_size].tolist()
            for equal in np.split(order, changes)
            for first in range(0, len(equal), batch_size)
        ]

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self._batches)

    def __len__(self) -> int:
        return len(self._batches)


def _whole_order(sampler: DefaultSampler) -> np.ndarray:
    """Returns the epoch's order of all ranks: rank r of n has every n-th image of it."""
    whole = copy.copy(sampler)
    whole.rank, whole.world_size = 0, 1
    return np.fromiter(whole, np.int64)
