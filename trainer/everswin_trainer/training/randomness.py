"""Stateless randomness: every draw depends only on the seed and the position, so a resumed run repeats it exactly.

Augmentation is reseeded for each (epoch, sample), the model (drop path, box sampling) for each (rank, step), where the
rank is one of the plan. Neither worker processes nor checkpoints need to store the state of a generator.
"""

import hashlib
import random
from multiprocessing.sharedctypes import RawValue
from typing import Any

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmdet.registry import TRANSFORMS
from mmengine.hooks import Hook
from mmengine.runner import Runner


def derive(*position: int | str) -> bytes:
    """Returns 16 bytes that depend on every part of `position` and on nothing else."""
    return hashlib.blake2b(repr(position).encode(), digest_size=16).digest()


def seed_python(entropy: bytes) -> None:
    """Seeds the two generators that augmentation draws from."""
    random.seed(entropy)
    np.random.seed(np.frombuffer(entropy, dtype=np.uint32))


def sample_entropy(seed: int, epoch: int, sample: int) -> bytes:
    """Returns what the augmentation of a sample is seeded with; `sample` is its number in the data set."""
    return derive(seed, "sample", epoch, sample)


def seed_step(seed: int, rank: int, iteration: int) -> None:
    """Seeds what the model draws in one step of one rank of the plan."""
    entropy = derive(seed, "step", rank, iteration)
    seed_python(entropy)
    torch.manual_seed(int.from_bytes(entropy[:8], "little", signed=True))


@TRANSFORMS.register_module()
class SeedSample(BaseTransform):
    """Seeds the generators for each sample. First transform of the training pipeline; changes no data."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        # Shared memory: persistent loader workers are forked once but need the current epoch.
        self.epoch = RawValue("q", 0)

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        seed_python(sample_entropy(self.seed, self.epoch.value, results["sample_idx"]))
        return results


def seeding(dataset: Any) -> SeedSample:
    """Returns what seeds the samples of a training data set: its own attribute, or the first step of its pipeline."""
    found = getattr(dataset, "seeding", None) or dataset.pipeline.transforms[0]
    assert isinstance(found, SeedSample), "build_config puts it there"
    return found


class RandomnessHook(Hook):
    """Passes the epoch to the pipeline and seeds each step."""

    priority = "VERY_HIGH"

    def __init__(self, seed: int, rank: int) -> None:
        self._seed = seed
        self._rank = rank

    def before_train_epoch(self, runner: Runner) -> None:
        seeding(runner.train_dataloader.dataset).epoch.value = runner.epoch

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        seed_step(self._seed, self._rank, runner.iter)
