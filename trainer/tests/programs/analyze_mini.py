"""Runs the real analysis on generated detections of the miniature COCO, to test its readers. argv: FOLDER."""

import io
import json
import sys
import zipfile
from pathlib import Path

import cv2
import numpy as np

sys.path.append(str(Path(__file__).parents[1]))
from noisy import detect

from everswin_trainer.analysis.analyze import Subject, analyze
from everswin_trainer.demo.mini_coco import make_files

folder = Path(sys.argv[1])
files = make_files()
archive = zipfile.ZipFile(io.BytesIO(files["val2017.zip"]))
with zipfile.ZipFile(io.BytesIO(files["annotations_trainval2017.zip"])) as annotations:
    content = json.loads(annotations.read("annotations/instances_val2017.json"))
content["categories"] += [{"id": 50, "name": "<img src=x onerror=alert(1)>\ud800" + "x" * 300}]
(folder / "val.json").write_text(json.dumps(content))
identity = {"checkpointSha256": "a" * 64, "annotationsSha256": "b" * 64}


def picture_of(name: str) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(archive.read(f"val2017/{name}"), np.uint8), cv2.IMREAD_COLOR)


analyze(Subject(identity, folder / "val.json", detect(content, seed=1), picture_of, 50), folder, lambda: None)
