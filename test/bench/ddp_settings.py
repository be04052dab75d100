"""Compares the settings of DistributedDataParallel: are the weights after some steps the same bits?

    PYTHONPATH=trainer .everswin/tools/trainer-env/bin/python test/bench/ddp_settings.py --seed 1 --repeats 8

Trains the demo's model (with drop path) for some steps on gloo ranks, whose batches differ and in part have no objects.
Each setting starts from the same weights and sees the same batches and random numbers.
"""

import hashlib
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as multiprocessing
from record import ROOT, keep, parse_arguments, surroundings

from everswin_trainer.model import mmcv_ops

mmcv_ops.install()

from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmdet.utils import register_all_modules
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import OptimWrapper
from mmengine.structures import InstanceData

from everswin_trainer.model.recipe import load_recipe
from everswin_trainer.training.micro_batches import cut, train_step

RECIPE = ROOT / "configs/mmdet/cascade-mask-rcnn_swin-demo.py"
HEIGHT, WIDTH = 96, 128
IMAGES = 2
SETTINGS: dict[str, dict[str, Any]] = {
    "stock": {},
    "gradient_as_bucket_view": {"gradient_as_bucket_view": True},
    "bucket_cap_mb 1": {"bucket_cap_mb": 1},
    "bucket_cap_mb 100": {"bucket_cap_mb": 100},
    "static_graph": {"static_graph": True},
}
CASES = [(ranks, parts) for ranks in (2, 4) for parts in (1, 2)]


def main() -> None:
    arguments = parse_arguments("ddp_settings.py", repeats=8)
    record = surroundings(arguments)
    raw = []
    for ranks, parts in CASES:
        stock = None
        for name in SETTINGS:
            results = start(name, ranks, parts, arguments.seed, arguments.repeats)
            weights = results[0].get("weights")
            stock = stock or weights
            raw.append({"ranks": ranks, "parts": parts, "setting": name, "equalsStock": weights == stock, **results[0]})
            print(raw[-1], flush=True)
    keep(arguments.out, {**record, "results": raw})


def start(name: str, ranks: int, parts: int, seed: int, steps: int) -> list[dict[str, Any]]:
    """Trains in `ranks` new processes. Returns {weights, losses} or {error} of each rank."""
    with TemporaryDirectory() as folder:
        arguments = (ranks, name, parts, seed, steps, folder)
        multiprocessing.spawn(train_rank, arguments, ranks)
        return [torch.load(Path(folder) / f"{rank}.pt", weights_only=True) for rank in range(ranks)]


def train_rank(rank: int, ranks: int, name: str, parts: int, seed: int, steps: int, folder: str) -> None:
    register_all_modules()
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=ranks)
    try:
        result = train(rank, name, parts, seed, steps)
    except RuntimeError as error:
        result = {"error": str(error).splitlines()[0]}
    torch.save(result, Path(folder) / f"{rank}.pt")
    # Without a shutdown: after an error, other ranks may wait in a collective.
    os._exit(0)


def train(rank: int, name: str, parts: int, seed: int, steps: int) -> dict[str, Any]:
    config = load_recipe(RECIPE, None).model
    config.backbone.init_cfg = None
    torch.manual_seed(seed)
    model = MODELS.build(config)
    wrapped = MMDistributedDataParallel(model, device_ids=None, broadcast_buffers=False, **SETTINGS[name])
    optimizer = OptimWrapper(torch.optim.AdamW(model.parameters(), lr=1e-3), clip_grad={"max_norm": 35})
    losses = []
    for step in range(steps):
        batch = draw(seed + 1000 * step + rank)
        torch.manual_seed(seed + 1000 * step + rank)
        if parts == 1:
            logged = wrapped.train_step(batch, optimizer)
        else:
            logged = train_step(wrapped, cut(batch, parts), IMAGES, optimizer)
        losses.append(logged["loss"].item())
    digest = hashlib.sha256()
    for value in model.state_dict().values():
        digest.update(value.numpy().tobytes())
    return {"weights": digest.hexdigest(), "losses": losses}


def draw(seed: int) -> dict[str, Any]:
    """Draws noise with 0 to 4 rectangles in each of two images."""
    generator = torch.Generator().manual_seed(seed)
    inputs, samples = [], []
    for _ in range(IMAGES):
        count = int(torch.randint(0, 5, (1,), generator=generator))
        ends = torch.rand(count, 2, 2, generator=generator) * torch.tensor([WIDTH - 10, HEIGHT - 10])
        boxes = torch.cat([ends.amin(1), ends.amax(1) + 9], dim=1)
        masks = torch.zeros(count, HEIGHT, WIDTH, dtype=torch.uint8)
        for mask, (left, top, right, bottom) in zip(masks, boxes.int().tolist(), strict=True):
            mask[top:bottom, left:right] = 1
        sample = DetDataSample(metainfo={"img_shape": (HEIGHT, WIDTH), "ori_shape": (HEIGHT, WIDTH)})
        labels = torch.randint(0, 80, (count,), generator=generator)
        sample.gt_instances = InstanceData(bboxes=boxes, labels=labels, masks=BitmapMasks(masks.numpy(), HEIGHT, WIDTH))
        inputs.append(torch.randint(0, 256, (3, HEIGHT, WIDTH), dtype=torch.uint8, generator=generator))
        samples.append(sample)
    return {"inputs": inputs, "data_samples": samples}


if __name__ == "__main__":
    main()
