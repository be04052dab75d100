"""Measures the padding of training batches with and without groupBySize, and the time and memory of an epoch's plan.

    PYTHONPATH=trainer .everswin/tools/trainer-env/bin/python test/bench/image_sizes.py --sizes meta.json --seed 1

`--sizes` holds the widths and heights of COCO's images, `{"train2017": [[id, width, height], ...]}`: meta.json of the
synthetic COCO. The pipeline is that of the blog and the paper. It also runs the real transforms on images without
content, to compare their sizes with the predicted ones.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"

import json
import resource
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from record import ROOT, figure, keep, make_parser, print_figures, surroundings

from everswin_trainer.model import mmcv_ops

mmcv_ops.install()


from mmcv.transforms import Compose
from mmdet.datasets import CocoDataset
from mmdet.utils import register_all_modules
from mmengine.dataset import DefaultSampler

from everswin_trainer.model.recipe import load_recipe
from everswin_trainer.training.batches import ResumableBatchSampler
from everswin_trainer.training.image_sizes import sizes_of
from everswin_trainer.training.randomness import sample_entropy, seed_python
from everswin_trainer.training.size_batches import EqualSizeBatchSampler

RECIPE = ROOT / "configs/mmdet/cascade-mask-rcnn_swin-s_blog.py"
DIVISOR = 32
# COCO's images with objects.
TRAIN_IMAGES = 117_266
INNER = {
    "AspectRatioBatchSampler": {"type": "AspectRatioBatchSampler"},
    "groupBySize": {"type": "SimilarSizeBatchSampler", "divisor": DIVISOR},
}
# GPUs and images per GPU.
SETUPS = ((1, 2), (4, 2), (4, 4), (8, 2))
VALIDATION_BATCHES = (2, 4, 8)


class Sized(CocoDataset):
    """A data set with sizes and without content."""

    def __init__(self, sizes: np.ndarray, pipeline: list[Any]) -> None:
        self._sizes, self.pipeline = sizes, Compose(pipeline)

    def __len__(self) -> int:
        return len(self._sizes)

    def sizes(self) -> np.ndarray:
        return self._sizes

    def get_data_info(self, index: int) -> dict[str, int]:
        return {"width": int(self._sizes[index, 0]), "height": int(self._sizes[index, 1])}


def main() -> None:
    # A repeat is the plan of an epoch.
    parser = make_parser("image_sizes.py", repeats=5)
    parser.add_argument("--sizes", type=Path, required=True)
    parser.add_argument("--images", type=int, default=2000, help="images that the real transforms get")
    arguments = parser.parse_args()
    record = surroundings(arguments)
    register_all_modules()
    recipe = load_recipe(RECIPE, None)
    content = json.loads(arguments.sizes.read_bytes())
    train = np.array(content["train2017"])[:TRAIN_IMAGES, 1:]
    dataset = Sized(train, [{"type": "SeedSample", "seed": arguments.seed}, *recipe.train_dataloader.dataset.pipeline])
    figures = [*time_plans(dataset, arguments.seed, arguments.repeats)]
    padding = {f"{gpus} x {batch}": share(dataset, gpus, batch, arguments.seed) for gpus, batch in SETUPS}
    checked = compare(dataset, arguments.seed, arguments.images)
    validation = Sized(np.array(content["val2017"])[:, 1:], recipe.val_dataloader.dataset.pipeline)
    fill = {batch: fill_of(validation, batch) for batch in VALIDATION_BATCHES}
    print_figures(figures)
    print(json.dumps({"padding": padding, "comparedSizes": checked, "imagesPerValidationBatch": fill}, indent=2))
    keep(
        arguments.out,
        {**record, "figures": figures, "padding": padding, "comparedSizes": checked, "imagesPerValidationBatch": fill},
    )


def time_plans(dataset: Sized, seed: int, epochs: int) -> list[dict[str, Any]]:
    """Measures the batches of one rank of four for some epochs, in CPU time and wall time, and the memory they add."""
    wall, cpu = [], []
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for epoch in range(epochs):
        batches = ResumableBatchSampler(sampler(dataset, 0, 4, seed, epoch), 2, INNER["groupBySize"])
        began = time.perf_counter(), time.process_time()
        for _ in batches:
            pass
        wall.append(time.perf_counter() - began[0])
        cpu.append(time.process_time() - began[1])
    added = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    return [
        figure("order of an epoch of 117,266 images", "s", wall, "< 2 s"),
        figure("its CPU time", "s", cpu),
        figure("memory that it adds", "MiB", [added]),
    ]


def share(dataset: Sized, gpus: int, batch: int, seed: int) -> dict[str, dict[str, float]]:
    """Returns the shares of pixels that are padding, and that a step takes time for without an image."""
    sizes = sizes_of(dataset, 0)
    result = {}
    for name, inner in INNER.items():
        ranks = [list(ResumableBatchSampler(sampler(dataset, rank, gpus, seed), batch, inner)) for rank in range(gpus)]
        steps = np.array([step for step in zip(*ranks, strict=True) if len(step[0]) == batch])
        padded = (-(-sizes[steps].max(axis=2) // DIVISOR) * DIVISOR).prod(axis=2) * batch
        real = sizes[steps].prod(axis=3).sum(axis=2)
        result[name] = {
            "padding": 1 - real.sum() / padded.sum(),
            "paddingAndWait": 1 - real.sum() / (padded.max(axis=1).sum() * gpus),
            "megapixelsPerStepOfASlowestRank": padded.max(axis=1).mean() / 1e6,
        }
    return result


def sampler(dataset: Sized, rank: int, world: int, seed: int, epoch: int = 0) -> DefaultSampler:
    one = DefaultSampler(dataset, seed=seed)
    one.rank, one.world_size, one.num_samples = rank, world, -(-len(dataset) // world)
    one.total_size = one.num_samples * world
    one.set_epoch(epoch)
    return one


def compare(dataset: Sized, seed: int, images: int) -> dict[str, int]:
    """Counts how many sizes after the real transforms differ from the predicted ones."""
    predicted = sizes_of(dataset, 3)
    chosen = np.random.default_rng(seed).choice(len(dataset), images, replace=False)
    # Without the seeding, which needs no image, and without loading and packing.
    transforms = Compose([])
    transforms.transforms = dataset.pipeline.transforms[3:-1]
    different = 0
    for index in chosen.tolist():
        width, height = dataset.sizes()[index]
        seed_python(sample_entropy(seed, 3, index))
        results = transforms({"img": np.zeros((height, width), np.uint8), "img_shape": (height, width)})
        different += results["img"].shape[::-1] != tuple(predicted[index])
    return {"images": images, "different": different}


def fill_of(dataset: Sized, batch: int) -> float:
    """Returns the mean number of images of a validation's batch on one GPU."""
    return len(dataset) / len(EqualSizeBatchSampler(sampler(dataset, 0, 1, 0), batch, DIVISOR))


if __name__ == "__main__":
    cv2.setNumThreads(1)
    main()
