"""Writes the analysis of a synthetic test of COCO's size, with pictures like photos. argv: FOLDER SEED."""

import sys
from pathlib import Path

import cv2
import numpy as np
from evaluation import load_results, make_files
from photos import draw_photos

from everswin_trainer.analysis.analyze import Subject, analyze
from everswin_trainer.data.sample_file import samples_file, write_samples

PHOTOS = 40
# The page does not depend on the number of resamples.
RESAMPLES = 20

folder, seed = Path(sys.argv[1]), int(sys.argv[2])
make_files(folder, seed)
annotations = folder / "annotations.json"
# The validation images stand for both splits.
write_samples(annotations)
photos = [cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR) for jpeg, _, _ in draw_photos(seed, PHOTOS)]
identity = {"checkpointSha256": "0" * 64, "annotationsSha256": "0" * 64}


def read_image(name: str) -> np.ndarray:
    return photos[int(name.split(".")[0]) % PHOTOS]


subject = Subject(identity, annotations, load_results(folder), read_image, RESAMPLES, samples_file(annotations))
analyze(subject, folder, lambda: None)
