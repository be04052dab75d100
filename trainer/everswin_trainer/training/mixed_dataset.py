"""Mixes several images to one sample, determined by the seed of the sample."""

from typing import Any

import torch
from mmdet.datasets import MultiImageMixDataset
from mmdet.registry import DATASETS

from everswin_trainer.training.randomness import SeedSample


@DATASETS.register_module()
class SeededMixDataset(MultiImageMixDataset):
    """MMDetection's data set that mixes images, with one seed for all random draws of a sample.

    The seed decides which images are mixed in and how each is augmented. With a seed of its own, an image would have
    the same augmentation wherever an epoch uses it.
    """

    def __init__(self, *args: Any, seed: int, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.seeding = SeedSample(seed)

    @property
    def cat_ids(self) -> list[int]:
        return self.dataset.cat_ids

    def __getitem__(self, index: int) -> dict[str, Any]:
        self.seeding.transform({"sample_idx": index})
        packed = super().__getitem__(index)
        if packed["inputs"].dtype == torch.int64:
            # CopyPaste returns the same pixels with 64 bits each; the loader would copy eight times as many bytes.
            packed["inputs"] = packed["inputs"].to(torch.uint8)
        return packed
