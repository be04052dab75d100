"""Images of a prepared data set, as MMDetection sees them: inside their archive or unpacked, turned as EXIF wants."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from everswin_trainer.data.dataset import PreparedData


def picture_reader(data: PreparedData, split: str) -> Callable[[str], np.ndarray]:
    """Reads an image by its file name, (height, width, 3) BGR. Raises OSError and ValueError for what is no image."""
    prefix, settings = data.image_prefix(split), data.image_backend(split)
    if settings is None:
        archive = None
    else:
        # Only now: MMEngine takes a second to import.
        from everswin_trainer.data.zip_images import ZipImages

        archive = ZipImages(settings["archive"], settings["index"])

    def picture_of(name: str) -> np.ndarray:
        content = archive.get(prefix + name) if archive else Path(prefix + name).read_bytes()
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
        if image is None:
            raise ValueError(f"expected {name} to be an image")
        return image

    return picture_of
