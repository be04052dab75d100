"""Runs MMDetection's own tools/train.py with torchvision's operators instead of mmcv's, as our trainer does."""

import runpy
import sys
from pathlib import Path

import mmdet

from everswin_trainer.model import mmcv_ops

mmcv_ops.install()
sys.argv[0] = str(Path(mmdet.__file__).parent / ".mim/tools/train.py")
runpy.run_path(sys.argv[0], run_name="__main__")
