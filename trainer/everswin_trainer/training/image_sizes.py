"""Predicts the sizes of images after the transforms of a pipeline, without loading an image.

Augmentation is seeded for each (epoch, sample), so its draws are known as soon as these two are.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from mmcv.transforms import LoadImageFromFile, RandomChoice, RandomChoiceResize
from mmdet.datasets import CocoDataset
from mmdet.datasets.transforms import LoadAnnotations, PackDetInputs, RandomCrop, RandomFlip, Resize

from everswin_trainer.training.randomness import SeedSample, sample_entropy
from everswin_trainer.training.seeded_draws import SeededDraws

# Words of the entropy that seeds a sample.
KEY_WORDS = 4
# Samples that are predicted at a time: their generators take 2.5 kB each.
CHUNK = 4096


class UnpredictableSizeError(ValueError):
    """A pipeline whose image sizes are unknown before an image is loaded."""


@lru_cache(maxsize=2)
def sizes_of(dataset: CocoDataset, epoch: int) -> np.ndarray:
    """Returns width and height (n, 2) of each image after the pipeline of `dataset` in `epoch`.

    Raises UnpredictableSizeError.
    """
    sizes = _original_sizes(dataset)
    chunks = [
        _predict_samples(dataset, epoch, first, sizes[first : first + CHUNK]) for first in range(0, len(sizes), CHUNK)
    ]
    return np.concatenate(chunks)


def require_predictable(dataset: CocoDataset) -> None:
    """Raises UnpredictableSizeError, with the reason, if `sizes_of` would."""
    _predict_samples(dataset, 0, 0, np.empty((0, 2), np.int64))


def _predict_samples(dataset: CocoDataset, epoch: int, first: int, sizes: np.ndarray) -> np.ndarray:
    """Predicts the samples from number `first` on, whose images have `sizes`."""
    if not isinstance(dataset, CocoDataset):
        raise UnpredictableSizeError(f"expected a CocoDataset, got {type(dataset).__name__}")
    transforms = dataset.pipeline.transforms
    if not transforms or not isinstance(transforms[0], SeedSample):
        return predict(transforms, sizes, None)
    entropy = b"".join(sample_entropy(transforms[0].seed, epoch, first + number) for number in range(len(sizes)))
    keys = np.frombuffer(entropy, np.uint32).reshape(len(sizes), KEY_WORDS)
    return predict(transforms, sizes, SeededDraws(np.ascontiguousarray(keys.T)))


def predict(transforms: Sequence[Any], sizes: np.ndarray, draws: SeededDraws | None) -> np.ndarray:
    """Returns width and height (n, 2) after `transforms` of images of `sizes`. None refuses random transforms."""
    for transform in transforms:
        rule = RULES.get(type(transform))
        if rule is None:
            known = ", ".join(sorted(one.__name__ for one in RULES))
            raise UnpredictableSizeError(
                f"expected only transforms of known effect on the size ({known}), got {transform}"
            )
        sizes = rule(transform, sizes, draws)
    return sizes


def _original_sizes(dataset: CocoDataset) -> np.ndarray:
    """Returns the sizes in the annotations, which prepare-dataset compared with the images."""
    if hasattr(dataset, "sizes"):
        return dataset.sizes()
    records = (dataset.get_data_info(number) for number in range(len(dataset)))
    return np.array([(one["width"], one["height"]) for one in records], np.int64).reshape(-1, 2)


def _keep(_transform: Any, sizes: np.ndarray, _draws: SeededDraws | None) -> np.ndarray:
    return sizes


def _flip(transform: RandomFlip, sizes: np.ndarray, draws: SeededDraws | None) -> np.ndarray:
    """A flip in any direction keeps the size, and takes one draw."""
    _random(transform, draws).uniform()
    return sizes


def _resize(transform: Resize, sizes: np.ndarray, _draws: SeededDraws | None) -> np.ndarray:
    return _fit(transform, sizes, np.broadcast_to(_scales(transform, [transform.scale]), sizes.shape))


def _resize_to_choice(transform: RandomChoiceResize, sizes: np.ndarray, draws: SeededDraws | None) -> np.ndarray:
    scales = _scales(transform, transform.scales)
    return _fit(transform.resize, sizes, scales[_random(transform, draws).integers(0, len(scales))])


def _scales(transform: Any, scales: Sequence[Any]) -> np.ndarray:
    if not all(isinstance(one, tuple) and len(one) == 2 for one in scales):
        raise UnpredictableSizeError(f"expected scales of two numbers, got {transform}")
    return np.array(scales)


def _fit(resize: Resize, sizes: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """Resizes as mmcv's `rescale_size`."""
    if type(resize) is not Resize:
        raise UnpredictableSizeError(f"expected mmdet's Resize, got {resize}")
    if not resize.keep_ratio:
        return scales
    factors = np.minimum(scales.max(1) / sizes.max(1), scales.min(1) / sizes.min(1))
    return (sizes * factors[:, None] + 0.5).astype(np.int64)


def _crop(transform: RandomCrop, sizes: np.ndarray, draws: SeededDraws | None) -> np.ndarray:
    if transform.crop_type not in ("absolute", "absolute_range") or not transform.allow_negative_crop:
        # Without allow_negative_crop, the data set replaces an image whose crop shows no object.
        raise UnpredictableSizeError(f"expected an absolute crop with allow_negative_crop, got {transform}")
    draws, limits = _random(transform, draws), transform.crop_size
    if transform.crop_type == "absolute":
        cropped = np.minimum(sizes, limits)
    else:
        # In the order of MMDetection's draws: height, then width.
        height, width = (
            draws.integers(np.minimum(side, limits[0]), np.minimum(side, limits[1]) + 1)
            for side in (sizes[:, 1], sizes[:, 0])
        )
        cropped = np.stack([width, height], axis=1)
    for margin in (sizes - cropped)[:, ::-1].T:
        draws.integers(0, margin + 1)
    return cropped


def _choose(transform: RandomChoice, sizes: np.ndarray, draws: SeededDraws | None) -> np.ndarray:
    draws = _random(transform, draws)
    chosen = draws.choice(len(transform.transforms), transform.prob)
    result = np.empty_like(sizes)
    for number, part in enumerate(transform.transforms):
        rows = np.flatnonzero(chosen == number)
        result[rows] = predict(part.transforms, sizes[rows], draws.select(rows))
    return result


def _random(transform: Any, draws: SeededDraws | None) -> SeededDraws:
    if draws is None:
        raise UnpredictableSizeError(f"expected no random transform without seeds per sample, got {transform}")
    return draws


# How each transform changes sizes. A subclass may do something else, so it needs its own rule.
RULES: dict[type, Callable[[Any, np.ndarray, SeededDraws | None], np.ndarray]] = {
    SeedSample: _keep,
    LoadImageFromFile: _keep,
    LoadAnnotations: _keep,
    PackDetInputs: _keep,
    RandomFlip: _flip,
    Resize: _resize,
    RandomChoiceResize: _resize_to_choice,
    RandomCrop: _crop,
    RandomChoice: _choose,
}
