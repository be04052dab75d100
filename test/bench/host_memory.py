"""Measures the host memory of the processes of a training, apart from what only a GPU needs.

    PYTHONPATH=trainer .everswin/tools/trainer-env/bin/python test/bench/host_memory.py FOLDER --out FILE

FOLDER is a prepared data set. Each part is a process of its own with the recipe of Swin-S. Memory is what the kernel
cannot reclaim: Pss_Anon and Pss_Shmem of /proc/PID/smaps_rollup; a mapped file is not part of it.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from memory import memory_maps
from record import ROOT, keep, surroundings

MIB = 1 << 20
RECIPE = ROOT / "configs/mmdet/cascade-mask-rcnn_swin-s_blog.py"
WORKERS, BATCH, BATCHES = 2, 2, 24


def main() -> None:
    parser = argparse.ArgumentParser(prog="host_memory.py")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--part")
    parser.add_argument("--out", type=Path)
    parser.set_defaults(seed=1, repeats=1)
    arguments = parser.parse_args()
    if arguments.part:
        print(json.dumps(PARTS[arguments.part](arguments.folder)))
        return
    where = surroundings(arguments)
    parts = {}
    for part in PARTS:
        command = [sys.executable, __file__, str(arguments.folder), "--part", part]
        parts[part] = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.splitlines()[-1])
        print(part, parts[part], flush=True)
    keep(arguments.out, {**where, "unit": "MiB", "parts": parts})


def used(pid: int | str = "self") -> float:
    """Returns the memory of a process in MiB; what several processes share counts in parts."""
    maps = memory_maps(pid)
    return maps["Pss_Anon"] + maps["Pss_Shmem"]


def peak() -> float:
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024


def measure_torchrun(_: Path) -> dict[str, float]:
    import torch.distributed.run  # noqa: F401

    return {"imports": used()}


def measure_rank(_: Path) -> dict[str, float]:
    """Imports, model, copy of the state for a save, and a checkpoint that is read to resume."""
    import torch

    from everswin_trainer.model import mmcv_ops

    mmcv_ops.install()
    from checkpoint_blocking import real_size_state
    from mmdet.utils import register_all_modules

    import everswin_trainer.training.run  # noqa: F401
    from everswin_trainer.training.state import Snapshots, read, write

    register_all_modules(init_default_scope=True)
    found = {"imports": used()}
    capture, _ = real_size_state()
    found["modelAndOptimizerOnCpu"] = used() - found["imports"]
    before, snapshots = used(), Snapshots()
    state = snapshots.take(capture())
    found["copyForSave"] = used() - before
    with tempfile.NamedTemporaryFile() as file:
        write(state, file)
        file.flush()
        found["checkpointBytes"] = os.stat(file.name).st_size
        before = used()
        resumed = read(Path(file.name))
        found["checkpointRead"] = used() - before
    assert resumed and torch.is_tensor(next(iter(state["state_dict"].values())))
    return found


def measure_loader(folder: Path) -> dict[str, float]:
    """Loader processes of one rank, with all batches prefetched."""
    from everswin_trainer.model import mmcv_ops

    mmcv_ops.install()
    from mmdet.utils import register_all_modules
    from mmengine.config import Config
    from mmengine.runner import Runner

    import everswin_trainer.training.run  # noqa: F401
    from everswin_trainer.data.dataset import PreparedData
    from everswin_trainer.job.plan import Plan
    from everswin_trainer.model.build_config import _set_data
    from everswin_trainer.model.recipe import load_recipe

    register_all_modules(init_default_scope=True)
    config = Config(load_recipe(RECIPE, None).to_dict())
    plan = Plan.load(write_plan())
    _set_data(config, plan, PreparedData.at(folder))
    before = used()
    loader = Runner.build_dataloader(config.train_dataloader, seed=1)
    found = {"rankBefore": before, "dataSet": used() - before}
    batches = iter(loader)
    sizes = []
    for _ in range(BATCHES):
        batch = next(batches)
        masks = sum(one.gt_instances.masks.masks.nbytes for one in batch["data_samples"])
        sizes.append((masks + sum(image.nbytes for image in batch["inputs"])) / MIB)
    time.sleep(10)  # until the workers have prefetched
    workers = [worker.pid for worker in batches._workers]
    found |= {f"worker{index}": used(pid) for index, pid in enumerate(workers)}
    found |= {"rankAfter": used(), "batchMean": sum(sizes) / len(sizes), "batchMost": max(sizes)}
    return found


def write_plan() -> Path:
    sys.path.insert(0, str(ROOT / "trainer/tests"))
    from conftest import PLAN

    path = Path(tempfile.mkdtemp()) / "plan.json"
    path.write_text(json.dumps({**PLAN, "batchPerGpu": BATCH, "loaderWorkers": WORKERS}))
    return path


def measure_validation(folder: Path) -> dict[str, float]:
    """The scores of 5,000 images with 61 detections each, on rank 0; images and boxes are random."""
    import numpy as np
    from pycocotools import mask as coco_mask

    from everswin_trainer.data.dataset import PreparedData
    from everswin_trainer.model import mmcv_ops

    mmcv_ops.install()
    import everswin_trainer.training.run  # noqa: F401
    from everswin_trainer.metrics.quick_metric import QuickCocoMetric

    data, before = PreparedData.at(folder), used()
    metric = QuickCocoMetric(ann_file=str(data.annotations("val")), metric=["bbox", "segm"])
    metric.dataset_meta = {"classes": data.classes()}
    truth = json.loads(data.annotations("val").read_bytes())
    draw, results = np.random.default_rng(1), []
    for image in truth["images"]:
        count, height, width = 61, image["height"], image["width"]
        corners = np.sort(draw.random((count, 2, 2)), axis=1) * [width, height]
        masks = coco_mask.frPyObjects(
            [[[x0, y0, x1, y0, (x0 + x1) / 2, y1]] for (x0, y0), (x1, y1) in corners.tolist()][0], height, width
        )
        prediction = {
            "img_id": image["id"],
            "bboxes": corners.reshape(count, 4).astype(np.float32),
            "scores": draw.random(count).astype(np.float32),
            "labels": draw.integers(0, len(data.classes()), count),
            "masks": [masks[0]] * count,
        }
        results.append(({"img_id": image["id"], "width": width, "height": height}, prediction))
    del truth
    begin = peak()
    metric.compute_metrics(results)
    return {"before": before, "after": used(), "peakResident": peak(), "peakResidentBeforeScores": begin}


PARTS = {
    "torchrun": measure_torchrun,
    "rank": measure_rank,
    "loader": measure_loader,
    "validation": measure_validation,
}

if __name__ == "__main__":
    main()
