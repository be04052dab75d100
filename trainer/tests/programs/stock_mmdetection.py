"""Detects with MMDetection alone: refuses to import this project. Needs mmcv's operators or `mmcv_ops` on the path.

`python -I stock_mmdetection.py DETECTOR OUT IMAGE…` writes {name: {inferencer, init_detector}} per image.
"""

import importlib.abc
import importlib.util
import json
import sys
from pathlib import Path
from typing import Any, NoReturn


class WithoutProject(importlib.abc.MetaPathFinder):
    """Refuses every module of this project."""

    def find_spec(self, fullname: str, *_: Any) -> None:
        if fullname.split(".")[0] == "everswin_trainer":
            self.refuse(fullname)

    def refuse(self, name: str) -> NoReturn:
        raise ImportError(f"{name} belongs to this project")


def main(detector: Path, out: Path, images: list[str]) -> None:
    sys.meta_path.insert(0, WithoutProject())
    if importlib.util.find_spec("mmcv._ext") is None:
        sys.path.insert(0, str(detector))
        import mmcv_ops  # noqa: F401
    from mmdet.apis import DetInferencer, inference_detector, init_detector

    config, weights = str(detector / "config.py"), str(detector / "model.pth")
    inferencer = DetInferencer(model=config, weights=weights, device="cpu", show_progress=False)
    predictions = inferencer(images, return_datasamples=False)["predictions"]
    model = init_detector(config, weights, device="cpu")
    found = {}
    for image, prediction in zip(images, predictions, strict=True):
        instances = inference_detector(model, image).pred_instances
        found[Path(image).name] = {
            "inferencer": {name: prediction[name] for name in ("labels", "scores", "bboxes")},
            "init_detector": {name: getattr(instances, name).tolist() for name in ("labels", "scores", "bboxes")},
            "mask_areas": [int(mask.sum()) for mask in instances.masks],
        }
    classes = [list(one.dataset_meta["classes"]) for one in (model, inferencer.model)]
    palettes = [[list(color) for color in one.dataset_meta["palette"]] for one in (model, inferencer.model)]
    out.write_text(json.dumps({"classes": classes, "palettes": palettes, "found": found}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
