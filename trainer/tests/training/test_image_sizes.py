"""Compares predicted image sizes with those that MMDetection's transforms produce."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from everswin_trainer.model import mmcv_ops

mmcv_ops.install()

from mmdet.datasets import CocoDataset  # noqa: E402
from mmengine.dataset import Compose, DefaultSampler  # noqa: E402
from mmengine.registry import DefaultScope  # noqa: E402
from torch.utils.data import DataLoader  # noqa: E402

from everswin_trainer.data.sample_file import samples_file, write_samples  # noqa: E402
from everswin_trainer.model.recipe import KNOWN_SIZE, load_recipe  # noqa: E402
from everswin_trainer.training.batches import ResumableBatchSampler  # noqa: E402
from everswin_trainer.training.image_sizes import RULES, UnpredictableSizeError, predict, sizes_of  # noqa: E402
from everswin_trainer.training.randomness import sample_entropy, seed_python  # noqa: E402
from everswin_trainer.training.seeded_draws import SeededDraws  # noqa: E402
from everswin_trainer.training.size_batches import SimilarSizeBatchSampler  # noqa: E402, F401  (registers it)

RECIPES = sorted((Path(__file__).parents[3] / "configs/mmdet").glob("*.py"))
SIZES = np.random.default_rng(3).integers(33, 400, (12, 2))


@pytest.fixture(autouse=True)
def mmdet_scope() -> Iterator[None]:
    with DefaultScope.overwrite_default_scope("mmdet"):
        yield


@pytest.fixture(scope="module")
def annotations(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Writes images of SIZES, each with an object."""
    folder = tmp_path_factory.mktemp("images")
    images, objects = [], []
    for number, (width, height) in enumerate(SIZES.tolist()):
        cv2.imwrite(str(folder / f"{number}.png"), np.zeros((height, width, 3), np.uint8))
        images.append({"id": number, "file_name": f"{number}.png", "width": width, "height": height})
        box = {"bbox": [1, 1, 20, 20], "area": 400, "segmentation": [[1, 1, 21, 1, 21, 21]], "iscrowd": 0}
        objects.append({"id": number, "image_id": number, "category_id": 1, **box})
    content = {"images": images, "annotations": objects, "categories": [{"id": 1, "name": "cat"}]}
    (folder / "train.json").write_text(json.dumps(content))
    write_samples(folder / "train.json")
    return folder / "train.json"


def load(annotations: Path, pipeline: list[dict[str, Any]], mapped: bool) -> CocoDataset:
    from everswin_trainer.data.mapped_dataset import MappedCocoDataset

    where = {"ann_file": str(annotations), "data_prefix": {"img": f"{annotations.parent}/"}, "pipeline": pipeline}
    where["metainfo"] = {"classes": ("cat",)}
    return MappedCocoDataset(samples=str(samples_file(annotations)), **where) if mapped else CocoDataset(**where)


def size(sample: dict[str, Any]) -> list[int]:
    return [sample["inputs"].shape[2], sample["inputs"].shape[1]]


def distinct_pipelines() -> dict[str, tuple[str, list[dict[str, Any]]]]:
    """Returns each pipeline of the recipes once, by its text. Large-scale jitter pads each image to one size anyway."""
    pipelines = {}
    for path in RECIPES:
        recipe = load_recipe(path, None)
        for loader in ("train_dataloader", "val_dataloader", "test_dataloader"):
            dataset = recipe[loader].dataset
            if dataset.type == "CocoDataset" and not any(step.type == "RandomResize" for step in dataset.pipeline):
                pipelines.setdefault(repr(dataset.pipeline), (f"{path.stem} {loader}", dataset.pipeline))
    return pipelines


def test_predicted_sizes_equal_the_loaded_images_for_all_recipes(annotations: Path) -> None:
    pipelines = distinct_pipelines().values()
    # Blog and paper have the same augmentation; the demo has smaller sizes.
    assert len(pipelines) >= 4
    for name, pipeline in pipelines:
        trains = "train" in name
        steps = [{"type": "SeedSample", "seed": 5}, *pipeline] if trains else pipeline
        for mapped in (True, False):
            dataset = load(annotations, steps, mapped)
            for epoch in (0, 3) if trains and mapped else (0,):
                if trains:
                    dataset.pipeline.transforms[0].epoch.value = epoch
                assert sizes_of(dataset, epoch).tolist() == [size(one) for one in dataset], (name, mapped, epoch)


def test_batches_by_size_change_the_order_but_no_sample(annotations: Path) -> None:
    [demo] = [path for path in RECIPES if path.stem.endswith("demo")]
    pipeline = load_recipe(demo, None).train_dataloader.dataset.pipeline
    dataset = load(annotations, [{"type": "SeedSample", "seed": 5}, *pipeline], mapped=True)
    epochs = []
    for inner in ({"type": "AspectRatioBatchSampler"}, {"type": "SimilarSizeBatchSampler", "divisor": 32}):
        batches = ResumableBatchSampler(DefaultSampler(dataset, seed=1), 2, inner)
        samples = [one for batch in DataLoader(dataset, batch_sampler=batches, collate_fn=list) for one in batch]
        epochs.append([(one["data_samples"].img_id, one["inputs"].numpy().tobytes()) for one in samples])
    assert epochs[0] != epochs[1]
    assert sorted(epochs[0]) == sorted(epochs[1])


RESIZE = {"type": "RandomChoiceResize", "keep_ratio": True}
CROP = {"type": "RandomCrop", "allow_negative_crop": True}
CUT_OUT = {"type": "CutOut", "n_holes": 1, "cutout_shape": (1, 1)}
PIPELINES = [
    [{"type": "Resize", "scale": (300, 200), "keep_ratio": True}],
    [{"type": "Resize", "scale": (30, 20), "keep_ratio": False}],
    [
        {"type": "RandomFlip", "prob": [0.2, 0.3], "direction": ["horizontal", "vertical"]},
        {**RESIZE, "scales": [(9, 70)]},
    ],
    [
        {**RESIZE, "scales": [(40, 90), (90, 40), (33, 33)], "keep_ratio": False},
        {**RESIZE, "scales": [(50, 80), (60, 99)]},
    ],
    [
        {**CROP, "crop_type": "absolute", "crop_size": (120, 60)},
        {**RESIZE, "scales": [(50, 80), (60, 99)]},
    ],
    [
        {
            "type": "RandomChoice",
            "prob": [0.25, 0.75],
            "transforms": [
                [{**CROP, "crop_type": "absolute_range", "crop_size": (50, 200)}],
                [{"type": "RandomChoice", "transforms": [[{"type": "RandomFlip", "prob": 0.5}], []]}],
            ],
        },
        {**RESIZE, "scales": [(50, 80), (60, 99), (20, 99)]},
    ],
]


@pytest.mark.parametrize("number", range(len(PIPELINES)))
def test_predicted_sizes_equal_those_after_any_known_transform(number: int) -> None:
    pipeline = Compose(PIPELINES[number])
    entropy = [sample_entropy(1, 2, sample) for sample in range(len(SIZES))]
    keys = np.frombuffer(b"".join(entropy), np.uint32).reshape(len(SIZES), -1).T
    predicted = predict(pipeline.transforms, SIZES, SeededDraws(np.ascontiguousarray(keys)))
    for (width, height), expected, one in zip(SIZES.tolist(), predicted.tolist(), entropy, strict=True):
        seed_python(one)
        results = pipeline({"img": np.zeros((height, width, 3), np.uint8), "img_shape": (height, width)})
        assert results["img"].shape[1::-1] == tuple(expected)


@pytest.mark.parametrize(
    ("transform", "message"),
    [
        ({"type": "PhotoMetricDistortion"}, "expected only transforms of known effect on the size"),
        ({"type": "FixScaleResize", "scale": (9, 9)}, "got FixScaleResize"),
        ({"type": "Resize", "scale_factor": 2.0}, "expected scales of two numbers"),
        ({**RESIZE, "scales": [(9, 9)], "resize_type": "FixScaleResize"}, "expected mmdet's Resize"),
        ({"type": "RandomCrop", "crop_size": (9, 9)}, "with allow_negative_crop"),
        ({"type": "RandomCrop", "crop_size": (0.5, 0.5), "crop_type": "relative_range"}, "expected an absolute crop"),
        ({"type": "RandomChoice", "transforms": [[], [CUT_OUT]]}, "got CutOut"),
    ],
)
def test_a_pipeline_whose_sizes_are_unknown_in_advance_is_refused(
    transform: dict[str, Any], message: str, annotations: Path
) -> None:
    dataset = load(annotations, [{"type": "SeedSample", "seed": 5}, transform], mapped=True)
    with pytest.raises(UnpredictableSizeError, match=message):
        SimilarSizeBatchSampler(DefaultSampler(dataset, seed=1), 2, divisor=32)


def test_a_random_transform_without_seeds_per_sample_is_refused(annotations: Path) -> None:
    dataset = load(annotations, [{"type": "RandomFlip", "prob": 0.5}], mapped=True)
    with pytest.raises(UnpredictableSizeError, match="without seeds per sample, got RandomFlip"):
        sizes_of(dataset, 0)


def test_each_transform_that_a_recipe_may_use_has_a_rule() -> None:
    assert {one.__name__ for one in RULES} == KNOWN_SIZE | {"SeedSample"}
