"""Measures what the hashes at the end of an epoch cost, for the state of Swin-S Cascade Mask R-CNN.

    PYTHONPATH=trainer .everswin/tools/trainer-env/bin/python test/bench/epoch_hashes.py --seed 1 --repeats 10

The thread that saves hashes weights and optimizer. Training waits only for the state of the random number generators,
and for the order of the samples, which is hashed while the loader draws them.
"""

import time
from collections.abc import Callable

import torch
from checkpoint_blocking import real_size_state
from mmdet.utils import register_all_modules
from record import figure, keep, parse_arguments, print_figures, surroundings

from everswin_trainer.model import mmcv_ops
from everswin_trainer.training.batches import ResumableBatchSampler
from everswin_trainer.training.digests import hash_random_state, hash_tensors

# COCO's images with objects, on four ranks with two images per step.
SAMPLES_PER_RANK, BATCH = 117_266 // 4, 2


def main() -> None:
    arguments = parse_arguments("epoch_hashes.py", repeats=10)
    where = surroundings(arguments)
    torch.manual_seed(arguments.seed)
    mmcv_ops.install()
    register_all_modules(init_default_scope=True)
    capture, parameters = real_size_state()
    state = capture()
    parts: dict[str, Callable[[], object]] = {
        "weights, in the background": lambda: hash_tensors(state["state_dict"]),
        "optimizer, in the background": lambda: hash_tensors(state["optimizer"]["state"]),
        "random state, blocks training": hash_random_state,
        "order of an epoch's samples, blocks training": hash_order,
    }
    raw = {name: [measure(work) for _ in range(arguments.repeats)] for name, work in parts.items()}
    figures = [figure(name, "s", samples) for name, samples in raw.items()]
    print_figures(figures)
    keep(arguments.out, {**where, "parameters": parameters, "figures": figures, "raw": raw})


def hash_order() -> None:
    for _ in ResumableBatchSampler(range(SAMPLES_PER_RANK), BATCH, inner=None):
        pass


def measure(work: Callable[[], object]) -> float:
    # CPU time, which other load affects less; the work never waits.
    begin = time.process_time()
    work()
    return time.process_time() - begin


if __name__ == "__main__":
    main()
