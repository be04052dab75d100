"""Reads images of a prepared data set as MMDetection does: from the archive or unpacked, rotated as EXIF says."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from everswin_trainer.data.dataset import PreparedData


def open_images(data: PreparedData, split: str) -> Callable[[str], np.ndarray]:
    """Returns a reader by file name; it returns (height, width, 3) BGR and raises OSError or ValueError."""
    prefix, settings = data.image_prefix(split), data.image_backend(split)
    if settings is None:
        archive = None
    else:
        # Imported here: MMEngine takes a second to import.
        from everswin_trainer.data.zip_images import ZipImages

        archive = ZipImages(settings["archive"], settings["index"])

    def read_image(name: str) -> np.ndarray:
        content = archive.get(prefix + name) if archive else Path(prefix + name).read_bytes()
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
        if image is None:
            raise ValueError(f"expected {name} to be an image")
        return image

    return read_image
