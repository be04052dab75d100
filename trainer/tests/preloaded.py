"""Imports what `train` and `test` import, for the fork server (forked.py)."""

from everswin_trainer.model import mmcv_ops
from everswin_trainer.system.process_setup import prepare_process

prepare_process("cpu")
mmcv_ops.install()

import everswin_trainer.evaluation.test  # noqa: E402
import everswin_trainer.model.convert_weights  # noqa: E402
import everswin_trainer.training.run  # noqa: E402
import everswin_trainer.training.train  # noqa: E402, F401
