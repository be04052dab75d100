"""Imports what ranks and conversions need, for the fork server (forked.py)."""

from importlib import import_module

from everswin_trainer.model import mmcv_ops
from everswin_trainer.system.process_setup import prepare_process

prepare_process("cpu")
mmcv_ops.install()
# Imported after the setup above, which MMDetection needs.
for name in ("evaluation.test", "model.weights", "model.detector_weights", "training.run", "training.train"):
    import_module(f"everswin_trainer.{name}")
import_module("real_job")
