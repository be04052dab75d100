"""Gives a detector with random weights the proposals of a trained one, because they determine the work of its heads.

With random weights, hardly any proposal overlaps an object, so a cascade stage has about 8 positive boxes per image:
the objects themselves. A trained detector has about 100, and the mask head works on these alone.
"""

from typing import Any

import torch
from torch import Tensor

# Positives per image and stage, of at most 128 in the recipes.
POSITIVES = 100
# A box is smaller than its object by up to this share at each side. Its IoU is at least 0.88^2 = 0.77, above the
# threshold of every stage (0.5, 0.6 and 0.7).
SHRINKAGE = 0.06


class PositiveCounts:
    """Counts the sampled positives of each stage. The sizes are known on the host, so counting causes no sync."""

    def __init__(self, stages: int) -> None:
        self._sums = [0] * stages
        self._images = [0] * stages

    def add(self, stage: int, positives: int) -> None:
        self._sums[stage] += positives
        self._images[stage] += 1

    def means(self) -> list[float]:
        """Returns the mean number of positives per image of each stage."""
        return [total / max(1, images) for total, images in zip(self._sums, self._images, strict=True)]


def imitate_trained_proposals(roi_head: Any) -> PositiveCounts:
    """Replaces the first proposals of each image and stage by jittered copies of its objects, and counts positives.

    The number of proposals stays the same. In the second and third stage, the first proposals are the positives of the
    previous stage. The jitter is drawn once, so random numbers of the training do not change, and nothing syncs.
    """
    counts = PositiveCounts(roi_head.num_stages)
    jitter = torch.rand(POSITIVES, 4, generator=torch.Generator().manual_seed(0)) * SHRINKAGE
    jitter = jitter.to(next(roi_head.parameters()).device)
    roi_head.bbox_assigner = [_Assigner(one, jitter) for one in roi_head.bbox_assigner]
    roi_head.bbox_sampler = [_Sampler(one, stage, counts) for stage, one in enumerate(roi_head.bbox_sampler)]
    return counts


def shrink(objects: Tensor, jitter: Tensor) -> Tensor:
    """Returns one box inside an object for each row of `jitter`; the objects take turns."""
    chosen = objects[torch.arange(len(jitter), device=objects.device) % len(objects)]
    size = chosen[:, 2:] - chosen[:, :2]
    return torch.cat([chosen[:, :2] + jitter[:, :2] * size, chosen[:, 2:] - jitter[:, 2:] * size], dim=1)


class _Assigner:
    def __init__(self, inner: Any, jitter: Tensor) -> None:
        self._inner = inner
        self._jitter = jitter

    def assign(self, proposals: Any, objects: Any, *rest: Any) -> Any:
        # The sampler adds the objects themselves.
        count = min(POSITIVES - len(objects), len(proposals))
        if len(objects) > 0 and count > 0:
            copies = shrink(objects.bboxes, self._jitter[:count]).to(proposals.priors.dtype)
            proposals.priors = torch.cat([copies, proposals.priors[count:]])
        return self._inner.assign(proposals, objects, *rest)


class _Sampler:
    def __init__(self, inner: Any, stage: int, counts: PositiveCounts) -> None:
        self._inner = inner
        self._stage = stage
        self._counts = counts

    def sample(self, *arguments: Any, **settings: Any) -> Any:
        result = self._inner.sample(*arguments, **settings)
        self._counts.add(self._stage, len(result.pos_inds))
        return result
