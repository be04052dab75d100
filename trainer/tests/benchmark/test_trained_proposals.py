"""Tests that a cascade with random weights trains on as many positive boxes as that of a trained detector."""

import copy

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS
from recipe_files import built, fill_registries
from torch import Tensor

fill_registries()
from mmdet.registry import DATASETS  # noqa: E402
from mmdet.structures.bbox import bbox_overlaps  # noqa: E402

from everswin_trainer.benchmark import trained_proposals  # noqa: E402
from everswin_trainer.benchmark.coco_like import draw_dataset  # noqa: E402
from everswin_trainer.benchmark.trained_proposals import (  # noqa: E402
    POSITIVES,
    SHRINKAGE,
    imitate_trained_proposals,
    shrink,
)
from everswin_trainer.model.fewer_syncs.types import use_fewer_syncs  # noqa: E402
from everswin_trainer.training import randomness, runner  # noqa: E402, F401  (register what the recipe names)

# The highest IoU threshold of the cascade.
LAST_THRESHOLD = 0.7


def test_jittered_boxes_match_their_object_in_every_stage() -> None:
    objects = torch.tensor([[10.0, 10.0, 18.0, 19.0], [100.0, 50.0, 400.0, 300.0]])
    worst = shrink(objects, torch.full((2, 4), SHRINKAGE))
    assert bbox_overlaps(worst, objects, is_aligned=True).min() > LAST_THRESHOLD
    jittered = shrink(objects, torch.rand(9, 4) * SHRINKAGE)
    assert bbox_overlaps(jittered, objects).argmax(dim=1).tolist() == [0, 1] * 4 + [0]


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list]:
    """Returns two images with COCO's objects, in the sizes of the recipe."""
    data = draw_dataset(tmp_path_factory.mktemp("drawn"), images=8, files=2, seed=1)
    settings = copy.deepcopy(built("t_blog", "cpu").train_dataloader.dataset)
    settings.update(ann_file=str(data.annotations("train")), data_prefix={"img": data.image_prefix("train")})
    # Without crops, which may leave no object.
    settings.pipeline = [one for one in settings.pipeline if one.type not in ("SeedSample", "RandomChoice")]
    samples = DATASETS.build(settings)
    chosen = sorted(range(8), key=lambda index: -len(samples.get_data_info(index)["instances"]))[:2]
    images = [samples[index] for index in chosen]
    return {name: [image[name] for image in images] for name in ("inputs", "data_samples")}


def train_step(batch: dict[str, list], is_fast: bool) -> tuple[list[float], Tensor]:
    """Returns the positives and the loss of a small detector with the recipe's assigners and samplers."""
    config = Config(built("demo", "cpu").to_dict()).model
    config.train_cfg = copy.deepcopy(built("t_blog", "cpu").model.train_cfg)
    if is_fast:
        use_fewer_syncs(config)
    torch.manual_seed(3)
    model = MODELS.build(config)
    model.init_weights()
    counts = imitate_trained_proposals(model.train().roi_head)
    loss, _ = model.parse_losses(model(**model.data_preprocessor(copy.deepcopy(batch), True), mode="loss"))
    return counts.means(), loss


def test_each_stage_has_about_100_positives_with_coco_like_objects(batch: dict[str, list]) -> None:
    stock, loss = train_step(batch, is_fast=False)
    assert all(POSITIVES * 0.95 <= count <= 128 for count in stock), stock
    fast, fast_loss = train_step(batch, is_fast=True)
    assert fast == stock and fast_loss == loss


def test_random_weights_alone_have_few_positives(batch: dict[str, list], monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards the test above: it would pass if the data had that many objects."""
    monkeypatch.setattr(trained_proposals, "POSITIVES", 0)
    alone, _ = train_step(batch, is_fast=False)
    assert max(alone) < POSITIVES / 2
