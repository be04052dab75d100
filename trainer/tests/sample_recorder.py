"""Hook with which each rank appends the image ids of its steps to `samples-<rank>.jsonl` in its working directory."""

import json
from typing import Any

from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner


@HOOKS.register_module()
class SampleRecorder(Hook):
    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        images = [sample.img_id for sample in data_batch["data_samples"]]
        with open(f"samples-{get_rank()}.jsonl", "a") as stream:
            stream.write(json.dumps(images) + "\n")
