"""Reads the size of an image as the trainer loads it."""

import cv2
import numpy as np

from everswin_trainer.data.image_header import read_plain_size
from everswin_trainer.importing.source import CannotImport, Source


def decode(source: Source, name: str) -> np.ndarray:
    """Returns (height, width, 3) BGR. Raises CannotImport."""
    image = cv2.imdecode(np.frombuffer(source.read(name), np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise CannotImport(f"{source.path}/{name} cannot be decoded as an image.")
    return image


def image_size(source: Source, name: str) -> tuple[int, int]:
    """Returns (width, height). Raises CannotImport."""
    size = read_plain_size(source.read(name))
    if size is not None:
        return size
    height, width = decode(source, name).shape[:2]
    return width, height
