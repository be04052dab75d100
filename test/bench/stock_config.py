"""Writes a recipe for MMDetection's own tools/train.py: stock_config.py COCO_FOLDER WEIGHTS OUT [--epochs N].

Data are files, and the end of each step is recorded; the rest is the recipe.
"""

import argparse
import json
from pathlib import Path

from mmengine.config import Config
from stock_hook import STEP_TIMES_FILE

from everswin_trainer.model.build_config import set_classes

DEMO = Path(__file__).parents[2] / "configs/mmdet/cascade-mask-rcnn_swin-demo.py"


def main() -> None:
    parser = argparse.ArgumentParser(prog="stock_config.py")
    parser.add_argument("coco", type=Path, help="folder with annotations, train2017 and val2017")
    parser.add_argument("weights", type=Path, help="weights of the backbone")
    parser.add_argument("out", type=Path)
    parser.add_argument("--recipe", type=Path, default=DEMO)
    parser.add_argument("--epochs", type=int, help="those of the recipe by default")
    parser.add_argument("--batch", type=int, default=2, help="images per rank")
    parser.add_argument("--ddp", action="store_true", help="for --launcher pytorch without a GPU")
    parser.add_argument("--loader-workers", type=int, default=0, help="per rank")
    arguments = parser.parse_args()
    coco = arguments.coco
    config = Config.fromfile(arguments.recipe)
    classes = [one["name"] for one in read_categories(coco / "annotations/instances_val2017.json")]
    set_classes(config.model, len(classes))
    config.model.backbone.init_cfg = {"type": "Pretrained", "checkpoint": str(arguments.weights)}
    for loader, split in (
        ("train_dataloader", "train2017"),
        ("val_dataloader", "val2017"),
        ("test_dataloader", "val2017"),
    ):
        workers = arguments.loader_workers
        config[loader].update(num_workers=workers, persistent_workers=workers > 0)
        config[loader].dataset.update(
            data_root=f"{coco}/",
            ann_file=f"annotations/instances_{split}.json",
            data_prefix={"img": f"{split}/"},
            metainfo={"classes": classes},
        )
    config.train_dataloader.batch_size = arguments.batch
    config.randomness = {"seed": 0}
    if arguments.epochs:
        config.train_cfg.max_epochs = arguments.epochs
    # Mixed precision requires a GPU; our trainer also disables it on a CPU.
    config.optim_wrapper.type = "OptimWrapper"
    for amp_only in ("loss_scale", "dtype"):
        config.optim_wrapper.pop(amp_only, None)
    for evaluator in (config.val_evaluator, config.test_evaluator):
        evaluator.ann_file = str(coco / "annotations/instances_val2017.json")
    if arguments.ddp:
        # As MMEngine's Runner wraps a model, but without the number of a GPU.
        options = {"broadcast_buffers": False, "find_unused_parameters": False, "device_ids": None}
        config.model_wrapper_cfg = {"type": "MMDistributedDataParallel", **options}
    config.custom_imports = {"imports": ["everswin_trainer.model.mmcv_ops", "stock_hook"]}
    config.custom_hooks = [{"type": "StepTimes", "file": str(arguments.out.parent / STEP_TIMES_FILE)}]
    config.dump(arguments.out)


def read_categories(annotations: Path) -> list[dict]:
    return json.loads(annotations.read_bytes())["categories"]


if __name__ == "__main__":
    main()
