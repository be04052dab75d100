"""Runs MMDetection's own tools/train.py with torchvision's operators instead of mmcv's, as our trainer does.

With `--launcher pytorch`, DistributedDataParallel connects the ranks by gloo: MMEngine itself requires a GPU for it.
"""

import runpy
import sys
from pathlib import Path

import mmdet
import torch.distributed
from mmengine.dist import utils

from everswin_trainer.model import mmcv_ops

mmcv_ops.install()
utils._init_dist_pytorch = lambda *_, **__: torch.distributed.init_process_group("gloo")
sys.argv[0] = str(Path(mmdet.__file__).parent / ".mim/tools/train.py")
runpy.run_path(sys.argv[0], run_name="__main__")
