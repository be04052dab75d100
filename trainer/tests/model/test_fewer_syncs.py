"""Tests that the classes with fewer host syncs give the bits of MMDetection's, in random and in extreme cases."""

import copy
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as dist
from host_syncs import counted_syncs
from mmengine.config import Config, ConfigDict
from mmengine.registry import MODEL_WRAPPERS, MODELS, TASK_UTILS
from mmengine.structures import InstanceData
from recipe_files import built, fill_registries, two_images
from torch import Tensor

fill_registries()
from mmdet.models.task_modules.samplers import SamplingResult  # noqa: E402
from mmdet.structures import DetDataSample  # noqa: E402
from mmdet.structures.mask import BitmapMasks  # noqa: E402
from mmdet.structures.mask.mask_target import mask_target_single  # noqa: E402

from everswin_trainer.model.fewer_syncs.box_heads import FewerSyncsBoxHead  # noqa: E402
from everswin_trainer.model.fewer_syncs.mask_targets import PaddedMasks, crop  # noqa: E402
from everswin_trainer.model.fewer_syncs.types import PREFIX, TYPES, use_fewer_syncs  # noqa: E402
from everswin_trainer.training import runner  # noqa: E402, F401  (registers the classes)
from everswin_trainer.training.losses_hook import LossCopy  # noqa: E402

# The package suppresses it, but pytest shows all warnings.
pytestmark = pytest.mark.filterwarnings("ignore:To copy construct from a tensor")
STEPS = 20
# MMDetection has 261 with 4 objects and 303 with 42. Three of these read the sizes of the images, on the CPU in truth.
MOST_SYNCS = 23
ASSIGNER = {"pos_iou_thr": 0.7, "neg_iou_thr": 0.3, "min_pos_iou": 0.3, "match_low_quality": True, "ignore_iof_thr": -1}


def both(registry: Any, kind: str, **settings: Any) -> tuple[Any, Any]:
    """Returns MMDetection's object and ours."""
    return tuple(registry.build({"type": prefix + kind, **settings}) for prefix in ("", PREFIX))


def draw_boxes(generator: torch.Generator, count: int, width: int, height: int) -> Tensor:
    """Draws boxes of all sizes; a quarter touch the border, and another quarter end on whole pixels."""
    ends = torch.rand(count, 2, 2, generator=generator) * torch.tensor([width, height])
    boxes = torch.cat([ends.amin(1), ends.amax(1)], dim=1)
    boxes[::4, :2] = 0
    boxes[1::4, 2:] = torch.tensor([width, height])
    boxes[2::4] = boxes[2::4].round()
    return boxes


def draw_image(seed: int, objects: int, height: int, width: int) -> tuple[Tensor, DetDataSample]:
    """Draws noise with elliptic objects."""
    generator = torch.Generator().manual_seed(seed)
    boxes = draw_boxes(generator, objects, width, height)
    # MMDetection's data sets have no objects without area.
    boxes[:, :2] = boxes[:, :2].minimum(boxes[:, 2:] - 2).clamp(min=0)
    boxes[:, 2:] = boxes[:, 2:].maximum(boxes[:, :2] + 2)
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    masks = np.zeros((objects, height, width), np.uint8)
    for mask, (left, top, right, bottom) in zip(masks, boxes.tolist(), strict=True):
        radius = (max(right - left, 1) / 2, max(bottom - top, 1) / 2)
        distance = ((x - (left + right) / 2) / radius[0]) ** 2 + ((y - (top + bottom) / 2) / radius[1]) ** 2
        mask[:] = (distance <= 1).numpy()
    sample = DetDataSample(metainfo={"img_shape": (height, width), "ori_shape": (height, width)})
    labels = torch.randint(0, 80, (objects,), generator=generator)
    sample.gt_instances = InstanceData(bboxes=boxes, labels=labels, masks=BitmapMasks(masks, height, width))
    return torch.randint(0, 256, (3, height, width), dtype=torch.uint8, generator=generator), sample


def draw_batch(step: int) -> dict[str, list]:
    """Draws two images of different sizes: in turn with few objects, with a crowd, and with an empty image."""
    objects = [(3, 1), (40, 2), (0, 4), (0, 0)][step % 4]
    sizes = [(96, 128), (80, 75)]
    images = [
        draw_image(10 * step + number, count, *size)
        for number, (count, size) in enumerate(zip(objects, sizes, strict=True))
    ]
    return {"inputs": [image for image, _ in images], "data_samples": [sample for _, sample in images]}


def build_demo(is_fast: bool, paper: bool = False) -> torch.nn.Module:
    config = Config(built("demo", "cpu").to_dict()).model
    if paper:
        head = {"type": "ConvFCBBoxHead", "num_shared_fcs": 1, "reg_class_agnostic": False, "reg_decoded_bbox": True}
        loss = {"type": "GIoULoss", "loss_weight": 10.0}
        config.roi_head.bbox_head = [{**one, **head, "loss_bbox": loss} for one in config.roi_head.bbox_head]
    if is_fast:
        use_fewer_syncs(config)
    torch.manual_seed(0)
    return MODELS.build(config)


@pytest.mark.parametrize("is_soft", [False, True])
def test_mask_targets_equal_mmdetection_for_any_objects_and_boxes(is_soft: bool) -> None:
    for seed in range(40):
        generator = torch.Generator().manual_seed(seed)
        height, width = torch.randint(8, 150, (2,), generator=generator).tolist()
        objects = [1, 2, 7, 60][seed % 4]
        masks = draw_image(seed, objects, height, width)[1].gt_instances.masks
        shape = (height + 32 - height % 32, width + 32 * (seed % 3))
        boxes = draw_boxes(generator, [0, 1, 128, 30][seed // 4 % 4], shape[1], shape[0])
        # Boxes may leave the image.
        boxes += torch.randn(boxes.shape, generator=generator) * (seed % 2)
        chosen = torch.randint(0, objects, (len(boxes),), generator=generator)
        settings = ConfigDict(mask_size=[28, (7, 14)][seed % 2], soft_mask_target=is_soft)
        expected = mask_target_single(boxes.clone(), chosen, masks.pad(shape), settings)
        size = settings.mask_size if isinstance(settings.mask_size, tuple) else (settings.mask_size,) * 2
        assert torch.equal(crop(PaddedMasks(masks, shape, 0), boxes, chosen, size, is_soft), expected)


def test_padded_masks_serve_mmdetection_code_too() -> None:
    masks = draw_image(1, 3, 20, 30)[1].gt_instances.masks
    padded, expected = PaddedMasks(masks, (32, 64), 0), masks.pad((32, 64))
    assert (len(padded), padded.height, padded.width) == (3, 32, 64)
    assert np.array_equal(padded.to_ndarray(), expected.masks)
    assert np.array_equal(padded.on(torch.device("cpu")).numpy(), expected.masks)


@pytest.mark.parametrize(
    "changes", [{}, {"match_low_quality": False}, {"neg_iou_thr": (0.1, 0.3)}, {"min_pos_iou": 0.0}]
)
def test_assignment_equals_mmdetection_in_hundreds_of_cases_with_ties(changes: dict[str, Any]) -> None:
    stock, ours = both(TASK_UTILS, "MaxIoUAssigner", **{**ASSIGNER, **changes})
    for seed in range(200):
        generator = torch.Generator().manual_seed(seed)
        objects = int(torch.randint(1, 40, (1,), generator=generator))
        overlaps = torch.rand(objects, 300, generator=generator) * torch.rand(objects, 1, generator=generator)
        if seed % 2:
            # Many objects have several boxes with the same best overlap, and claim the same box.
            overlaps = (overlaps * 10).round() / 10
        labels = torch.randint(0, 80, (objects,), generator=generator)
        require_equal_assignments(*(one.assign_wrt_overlaps(overlaps.clone(), labels) for one in (stock, ours)))


@pytest.mark.parametrize(("objects", "boxes"), [(0, 5), (5, 0), (0, 0), (1, 1), (30, 400)])
def test_assignment_of_boxes_equals_mmdetection(objects: int, boxes: int) -> None:
    stock, ours = both(TASK_UTILS, "MaxIoUAssigner", **ASSIGNER)
    generator = torch.Generator().manual_seed(objects)
    truth = InstanceData(bboxes=draw_boxes(generator, objects, 90, 60), labels=torch.arange(objects))
    priors = InstanceData(priors=draw_boxes(generator, boxes, 90, 60))
    require_equal_assignments(*(one.assign(priors, truth) for one in (stock, ours)))


def require_equal_assignments(stock: Any, ours: Any) -> None:
    for name in ("gt_inds", "max_overlaps", "labels"):
        assert torch.equal(getattr(ours, name), getattr(stock, name)), name


@pytest.mark.parametrize("mode", ["iou", "iof"])
def test_overlaps_equal_mmdetection_also_for_boxes_without_area(mode: str) -> None:
    stock, ours = both(TASK_UTILS, "BboxOverlaps2D")
    boxes = draw_boxes(torch.Generator().manual_seed(0), 60, 90, 60)
    boxes[::5, 2:] = boxes[::5, :2]
    assert torch.equal(ours(boxes[:20], boxes, mode), stock(boxes[:20], boxes, mode))


@pytest.mark.parametrize("settings", [{}, {"neg_pos_ub": 2}, {"add_gt_as_proposals": False}])
def test_samples_and_random_numbers_equal_mmdetection(settings: dict[str, Any]) -> None:
    assigner = TASK_UTILS.build({"type": "MaxIoUAssigner", **ASSIGNER, "pos_iou_thr": 0.4})
    samplers = both(TASK_UTILS, "RandomSampler", num=32, pos_fraction=0.25, **settings)
    for seed in range(30):
        generator = torch.Generator().manual_seed(seed)
        truth = InstanceData(bboxes=draw_boxes(generator, seed % 12, 90, 60), labels=torch.arange(seed % 12))
        priors = InstanceData(priors=draw_boxes(generator, [200, 9][seed % 2], 90, 60))
        results: list[SamplingResult] = []
        for sampler in samplers:
            torch.manual_seed(seed)
            results.append(sampler.sample(assigner.assign(priors, truth), priors, truth))
            results[-1].drawn_next = torch.rand(1)
        for name, expected in vars(results[0]).items():
            actual = getattr(results[1], name)
            assert torch.equal(actual, expected) if isinstance(expected, Tensor) else actual == expected, name
        assert results[1].num_given == results[0].pos_is_gt.sum()


def test_pooled_features_and_their_gradients_equal_mmdetection_also_for_unused_levels() -> None:
    layer = {"type": "RoIAlign", "output_size": 7, "sampling_ratio": 0}
    strides = [4, 8, 16, 32]
    extractors = both(
        MODELS, "SingleRoIExtractor", roi_layer=layer, out_channels=4, featmap_strides=strides, finest_scale=14
    )
    for count, size in ((0, 128), (1, 128), (50, 16), (200, 128)):
        generator = torch.Generator().manual_seed(count)
        maps = [torch.randn(2, 4, 128 // stride, 128 // stride, generator=generator) for stride in strides]
        images = torch.randint(0, 2, (count, 1), generator=generator)
        rois = torch.cat([images, draw_boxes(generator, count, size, size)], dim=1)
        results = []
        for extractor in extractors:
            inputs = [one.clone().requires_grad_() for one in maps]
            pooled = extractor(tuple(inputs), rois)
            (pooled * torch.arange(pooled.numel()).view_as(pooled)).sum().backward()
            results.append([pooled.detach(), *(one.grad for one in inputs)])
        assert all(torch.equal(one, other) for one, other in zip(*results, strict=True))


@pytest.mark.parametrize("ignore_index", [None, 2])
def test_sigmoid_loss_equals_mmdetection(ignore_index: int | None) -> None:
    losses = both(MODELS, "CrossEntropyLoss", use_sigmoid=True, ignore_index=ignore_index)
    labels = torch.tensor([0, 1, 2, 3, 0, -1])
    for classes, weight in ((1, None), (3, torch.rand(6)), (3, None)):
        scores = torch.randn(6, classes)
        results = [loss(scores, labels, weight, avg_factor=4.0) for loss in losses]
        assert torch.equal(*results)


@pytest.fixture
def process_group() -> Iterator[None]:
    """A group of this process only."""
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


@pytest.mark.parametrize("is_paper", [False, True])
@pytest.mark.usefixtures("process_group")
def test_twenty_training_steps_equal_mmdetection_in_every_bit(is_paper: bool) -> None:
    """Compares losses, weights and the state of the random numbers, for batches with crowds and without objects.

    Ours has all that must not change a bit: fewerSyncs, and the trainer's settings of DDP.
    """
    stock, fast = (build_demo(is_fast, is_paper) for is_fast in (False, True))
    wrapped = MODEL_WRAPPERS.build({**built("demo", "cpu").model_wrapper_cfg, "module": fast})
    assert any(isinstance(module, FewerSyncsBoxHead) for module in fast.modules())
    assert wrapped.gradient_as_bucket_view
    models = (stock, fast)
    optimizers = [torch.optim.AdamW(model.parameters(), lr=1e-3) for model in models]
    states = [torch.get_rng_state()] * 2
    for number in range(STEPS if not is_paper else 4):
        batch, losses = draw_batch(number), []
        for index, (model, optimizer) in enumerate(zip(models, optimizers, strict=True)):
            torch.set_rng_state(states[index])
            data = model.data_preprocessor(copy.deepcopy(batch), training=True)
            called = model if model is stock else wrapped
            loss, logged = model.parse_losses(called(**data, mode="loss"))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(LossCopy(logged, number).read())
            states[index] = torch.get_rng_state()
        assert losses[0] == losses[1] and math.isfinite(losses[0]["loss"]), number
    assert torch.equal(*states)
    weights = [model.state_dict() for model in models]
    assert weights[0].keys() == weights[1].keys()
    assert [name for name in weights[0] if not torch.equal(weights[0][name], weights[1][name])] == []


def test_detections_equal_mmdetection() -> None:
    results = []
    for is_fast in (False, True):
        model, batch = build_demo(is_fast).eval(), two_images()
        model.roi_head.test_cfg.score_thr = 0
        for sample in batch["data_samples"]:
            sample.set_metainfo({"scale_factor": (1.0, 1.0)})
        with torch.no_grad():
            results.append(model(**model.data_preprocessor(batch, training=False), mode="predict"))
    for stock, ours in zip(*results, strict=True):
        assert len(stock.pred_instances) > 0
        assert all(torch.equal(value, ours.pred_instances[name]) for name, value in stock.pred_instances.items())


def test_a_training_step_has_few_host_syncs_for_any_number_of_objects() -> None:
    model = build_demo(is_fast=True)
    counts = []
    for number in range(2):
        batch = draw_batch(number)
        with counted_syncs(batch) as syncs:
            loss, logged = model.parse_losses(model(**model.data_preprocessor(batch, training=True), mode="loss"))
            loss.backward()
            LossCopy(logged, number)
        counts.append(sum(syncs.values()))
    assert max(counts) <= MOST_SYNCS, counts


def test_host_syncs_of_mmdetection_are_counted() -> None:
    """Guards the test above: a counter that sees nothing would pass it."""
    model, batch = build_demo(is_fast=False), two_images()
    with counted_syncs(batch) as syncs:
        loss, logged = model.parse_losses(model(**model.data_preprocessor(batch, training=True), mode="loss"))
        loss.backward()
        LossCopy(logged, 0).read()
    assert sum(syncs.values()) > 200
    assert syncs["aten.nonzero"] > 50 and syncs["cpu"] > 15 and syncs["new_tensor"] > 30


def test_every_type_of_the_recipes_that_has_fewer_syncs_is_replaced() -> None:
    found = {}
    for recipe in ("t_blog", "t_paper"):
        config = Config(built(recipe, "cpu").to_dict()).model
        before = types_of(config)
        use_fewer_syncs(config)
        found[recipe] = before & TYPES
        assert types_of(config) & TYPES == set()
        assert types_of(config) - before == {PREFIX + kind for kind in before & TYPES}
    assert found["t_blog"] | found["t_paper"] == TYPES


def types_of(part: Any) -> set[str]:
    if isinstance(part, dict):
        own = {part["type"]} if isinstance(part.get("type"), str) else set()
        return own.union(*(types_of(inner) for inner in part.values()))
    return set().union(*(types_of(inner) for inner in part)) if isinstance(part, (list, tuple)) else set()
