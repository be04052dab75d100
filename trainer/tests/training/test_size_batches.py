from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from everswin_trainer.model import mmcv_ops

mmcv_ops.install()

import mmdet.models  # noqa: E402, F401  (registers them)
from mmcv.transforms import Compose  # noqa: E402
from mmdet.datasets import CocoDataset  # noqa: E402
from mmdet.registry import MODELS  # noqa: E402
from mmdet.structures import DetDataSample  # noqa: E402
from mmengine.dataset import DefaultSampler  # noqa: E402
from mmengine.registry import DefaultScope  # noqa: E402

from everswin_trainer.model.recipe import load_recipe  # noqa: E402
from everswin_trainer.training.batches import ResumableBatchSampler  # noqa: E402
from everswin_trainer.training.image_sizes import sizes_of  # noqa: E402
from everswin_trainer.training.size_batches import EqualSizeBatchSampler, sort_windows  # noqa: E402

RECIPE = Path(__file__).parents[3] / "configs/mmdet/cascade-mask-rcnn_swin-s_blog.py"
# The most frequent sizes of COCO.
COCO = [(640, 480), (640, 427), (480, 640), (427, 640), (500, 375), (640, 640)]
BATCHES = {"type": "SimilarSizeBatchSampler", "divisor": 32}
DIVISOR = 32


class Sized(CocoDataset):
    """A data set of images with COCO's sizes, without annotations."""

    def __init__(self, count: int, split: str) -> None:
        pipeline = load_recipe(RECIPE, None)[f"{split}_dataloader"].dataset.pipeline
        with DefaultScope.overwrite_default_scope("mmdet"):
            self.pipeline = Compose([{"type": "SeedSample", "seed": 3}, *pipeline] if split == "train" else pipeline)
        self._sizes = np.array(COCO)[np.random.default_rng(0).integers(0, len(COCO), count)]

    def __len__(self) -> int:
        return len(self._sizes)

    def sizes(self) -> np.ndarray:
        return self._sizes

    def get_data_info(self, index: int) -> dict[str, int]:
        return dict(zip(("width", "height"), self._sizes[index].tolist(), strict=True))


sized = cache(Sized)


def sampler(dataset: CocoDataset, rank: int, world: int, epoch: int = 0) -> DefaultSampler:
    one = DefaultSampler(dataset, seed=4)
    one.rank, one.world_size, one.num_samples = rank, world, -(-len(dataset) // world)
    one.total_size = one.num_samples * world
    one.set_epoch(epoch)
    return one


def steps_of(
    images: int, batch: int, world: int, inner: dict | None = BATCHES, epoch: int = 0, virtual: int = 1, skip: int = 0
) -> list[list[list[int]]]:
    """Returns the batches of each rank for each step of an epoch."""
    ranks = []
    for rank in range(world):
        batches = ResumableBatchSampler(sampler(sized(images, "train"), rank, world, epoch), batch, inner, virtual)
        batches.skip = skip
        ranks.append(list(batches))
        assert len(ranks[-1]) == len(batches) - skip
    return [list(step) for step in zip(*ranks, strict=True)]


@pytest.mark.parametrize("images", [300, 301, 17, 3])
@pytest.mark.parametrize(("batch", "world"), [(1, 1), (2, 1), (2, 4), (3, 2), (4, 3), (2, 8)])
def test_each_image_occurs_once_in_an_epoch_and_ranks_have_equal_shares(images: int, batch: int, world: int) -> None:
    steps = steps_of(images, batch, world)
    assert all(len({len(one) for one in step}) == 1 for step in steps)
    assert {len(step[0]) for step in steps[:-1]} <= {batch}
    seen = np.bincount([index for step in steps for one in step for index in one], minlength=images)
    # As with MMEngine's own sampler, ranks share an epoch equally by a few images that occur again.
    assert seen.min() >= 1
    assert seen.sum() == -(-images // world) * world


def test_an_epoch_resumes_after_any_step_and_repeats_in_every_bit() -> None:
    whole = steps_of(101, 2, 4, epoch=2)
    assert steps_of(101, 2, 4, epoch=2) == whole
    for skip in range(len(whole) + 1):
        assert steps_of(101, 2, 4, epoch=2, skip=skip) == whole[skip:]


@pytest.mark.parametrize(("planned", "left"), [(4, 2), (4, 1), (6, 2), (3, 1)])
def test_fewer_ranks_read_the_batches_of_all_planned_ranks(planned: int, left: int) -> None:
    each = planned // left
    expected = [
        [[index for part in step[rank * each : (rank + 1) * each] for index in part] for rank in range(left)]
        for step in steps_of(101, 2, planned)
    ]
    assert steps_of(101, 2, left, virtual=each) == expected


def pixels_of_steps(steps: list[list[list[int]]], sizes: np.ndarray) -> np.ndarray:
    """Returns the padded pixels of each rank in each full step."""
    indices = np.array([step for step in steps if len(step[0]) == len(steps[0][0])])
    padded = -(-sizes[indices].max(axis=2) // DIVISOR) * DIVISOR
    return padded.prod(axis=2) * indices.shape[2]


@pytest.mark.parametrize("batch", [2, 4])
def test_padding_and_the_wait_for_the_largest_batch_shrink(batch: int) -> None:
    sizes = sizes_of(sized(9000, "train"), 0)
    shares = []
    for inner in ({"type": "AspectRatioBatchSampler"}, BATCHES):
        pixels = pixels_of_steps(steps_of(9000, batch, 4, inner), sizes)
        real = sizes.prod(axis=1).mean() * batch
        shares.append((1 - real / pixels.mean(), 1 - real / pixels.max(axis=1).mean()))
    stock, ours = shares
    assert stock[0] > 0.15 and stock[1] > 0.25
    assert ours[0] < 0.03 and ours[1] < 0.05


def test_sizes_do_not_come_sorted_and_each_epoch_has_other_batches() -> None:
    first, second = (steps_of(9000, 2, 4, epoch=epoch) for epoch in (0, 1))
    pixels = pixels_of_steps(first, sizes_of(sized(9000, "train"), 0)).mean(axis=1)
    correlation = np.corrcoef(pixels[:-1], pixels[1:])[0, 1]
    # Neighbors are unrelated: four standard deviations of a shuffled order.
    assert abs(correlation) < 4 / np.sqrt(len(pixels))
    pairs = [{frozenset(one) for step in steps for one in step} for steps in (first, second)]
    assert len(pairs[0] & pairs[1]) < 20


def test_a_window_is_sorted_alone() -> None:
    sizes = np.random.default_rng(1).integers(480, 800, (4096 + 300, 2))
    order = sort_windows(np.arange(len(sizes)), sizes, step=8, divisor=DIVISOR)
    assert sorted(order[:4096]) == list(range(4096))
    assert sorted(order[4096:]) == list(range(4096, 4396))


@pytest.mark.parametrize("world", [1, 2, 3])
def test_batches_of_a_validation_have_one_padded_size_and_cover_each_image(world: int) -> None:
    dataset = sized(101, "val")
    padded = -(-sizes_of(dataset, 0) // DIVISOR)
    ranks = [EqualSizeBatchSampler(sampler(dataset, rank, world), 4, DIVISOR) for rank in range(world)]
    for batches in ranks:
        assert len(list(batches)) == len(batches)
        assert all(len(np.unique(padded[batch], axis=0)) == 1 and len(batch) <= 4 for batch in batches)
    assert max(len(batch) for batch in ranks[0]) == 4
    # As MMEngine collects results: one of each rank in turn, without those beyond the size of the data set.
    parts = [[index for batch in batches for index in batch] for batches in ranks]
    collected = [index for turn in zip(*parts, strict=True) for index in turn][: len(dataset)]
    assert sorted(collected) == list(range(len(dataset)))


def test_a_sampler_with_an_unknown_order_is_refused() -> None:
    order = torch.utils.data.RandomSampler(sized(17, "train"))
    with pytest.raises(ValueError, match="expected DefaultSampler with round_up to choose batches by size"):
        EqualSizeBatchSampler(order, 2, DIVISOR)


def features(model: torch.nn.Module, images: list[torch.Tensor]) -> list[torch.Tensor]:
    """Returns the features of the first image, as all heads get them."""
    batch = {"inputs": [one.clone() for one in images], "data_samples": [DetDataSample() for _ in images]}
    with torch.no_grad():
        return [level[:1] for level in model.extract_feat(model.data_preprocessor(batch, False)["inputs"])]


def test_an_image_has_the_features_of_a_batch_of_one_only_next_to_images_of_equal_padded_size() -> None:
    config = load_recipe(RECIPE.with_name("cascade-mask-rcnn_swin-demo.py"), None).model
    config.backbone.init_cfg = None
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope("mmdet"):
        model = MODELS.build(config).eval()
    first, equal, larger = (
        torch.randint(0, 256, (3, *size), dtype=torch.uint8) for size in [(90, 120), (96, 100), (128, 128)]
    )
    alone, batched, padded = (features(model, images) for images in ([first], [first, equal], [first, larger]))
    for ours, theirs in zip(batched, alone, strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-4, atol=1e-5)
    differences = [
        (ours[:, :, : theirs.shape[2], : theirs.shape[3]] - theirs).abs().max()
        for ours, theirs in zip(padded, alone, strict=True)
    ]
    assert max(differences) > 0.01
