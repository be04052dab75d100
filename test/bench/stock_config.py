"""Writes the demo recipe for MMDetection's own tools/train.py: stock_config.py COCO_FOLDER WEIGHTS OUT [EPOCHS]."""

import json
import sys
from pathlib import Path

from mmengine.config import Config
from stock_hook import STEP_TIMES_FILE

from everswin_trainer.model.build_config import set_classes

RECIPE = Path(__file__).parents[2] / "configs/mmdet/cascade-mask-rcnn_swin-demo.py"


def main(coco: Path, weights: Path, out: Path, epochs: int | None = None) -> None:
    """Reads data from files, uses the plan's batch of 2 and records the end of each step; the rest is the recipe."""
    config = Config.fromfile(RECIPE)
    classes = [
        one["name"] for one in json.loads((coco / "annotations/instances_train2017.json").read_bytes())["categories"]
    ]
    set_classes(config.model, len(classes))
    config.model.backbone.init_cfg = {"type": "Pretrained", "checkpoint": str(weights)}
    for loader, split in (
        ("train_dataloader", "train2017"),
        ("val_dataloader", "val2017"),
        ("test_dataloader", "val2017"),
    ):
        config[loader].update(num_workers=0, persistent_workers=False)
        config[loader].dataset.update(
            data_root=f"{coco}/",
            ann_file=f"annotations/instances_{split}.json",
            data_prefix={"img": f"{split}/"},
            metainfo={"classes": classes},
        )
    config.train_dataloader.batch_size = 2
    config.randomness = {"seed": 0}
    if epochs:
        config.train_cfg.max_epochs = epochs
    # Mixed precision requires a GPU; our trainer also disables it on a CPU.
    config.optim_wrapper.type = "OptimWrapper"
    for amp_only in ("loss_scale", "dtype"):
        config.optim_wrapper.pop(amp_only, None)
    for evaluator in (config.val_evaluator, config.test_evaluator):
        evaluator.ann_file = str(coco / "annotations/instances_val2017.json")
    config.custom_imports = {"imports": ["everswin_trainer.model.mmcv_ops", "stock_hook"]}
    config.custom_hooks = [{"type": "StepTimes", "file": str(out.parent / STEP_TIMES_FILE)}]
    config.dump(out)


main(*map(Path, sys.argv[1:4]), *map(int, sys.argv[4:]))
