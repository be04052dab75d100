"""Input of an exported graph: its size, and how a picture becomes the input."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

STRIDE = 32


@dataclass(frozen=True)
class Size:
    """Width and height in pixels."""

    width: int
    height: int

    @classmethod
    def parse(cls, text: str) -> "Size":
        width, height = text.split("x")
        return cls(int(width), int(height))

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"

    def padded(self) -> "Size":
        """Returns the next multiples of STRIDE, to which MMDetection pads too."""
        return Size(-(-self.width // STRIDE) * STRIDE, -(-self.height // STRIDE) * STRIDE)


@dataclass(frozen=True)
class OnnxInput:
    """A graph's input of `size`. A picture is resized to fit `fit` with its ratio kept, then normalized and padded."""

    size: Size
    fit: Size
    mean: list[float]
    std: list[float]
    is_rgb: bool

    @classmethod
    def of(cls, pipeline: list[Any], preprocessor: Any, size: Size | None) -> "OnnxInput":
        """Chooses the size of the test pipeline unless `size` is given. Raises ValueError if the pipeline has none."""
        target = _resize_target(pipeline)
        if size is None:
            if target is None:
                raise ValueError("its test pipeline has no Resize with one scale and keep_ratio=True: name --size")
            size = target.padded()
        upright = [] if target is None else [target, Size(target.height, target.width)]
        fit = next((one for one in upright if one.padded() == size), size)
        mean, std = (getattr(preprocessor, name, None) for name in ("mean", "std"))
        return cls(
            size=size,
            fit=fit,
            mean=[0.0] * 3 if mean is None else mean.flatten().tolist(),
            std=[1.0] * 3 if std is None else std.flatten().tolist(),
            is_rgb=preprocessor._channel_conversion,
        )

    def prepare(self, picture: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
        """Returns the input of a BGR picture, and its height and width without padding."""
        height, width = picture.shape[:2]
        scale = min(self.fit.width / width, self.fit.height / height)
        # At least one pixel, and rounded as mmcv does.
        width, height = (max(1, int(side * scale + 0.5)) for side in (width, height))
        resized = cv2.resize(picture, (width, height), interpolation=cv2.INTER_LINEAR)
        channels = resized[..., ::-1] if self.is_rgb else resized
        normalized = (channels.astype(np.float32) - np.float32(self.mean)) / np.float32(self.std)
        image = np.zeros((1, 3, self.size.height, self.size.width), np.float32)
        image[0, :, :height, :width] = normalized.transpose(2, 0, 1)
        return image, (height, width)


def _resize_target(pipeline: list[Any]) -> Size | None:
    """Returns the largest picture that the test pipeline makes: long side by short side."""
    for step in pipeline:
        if str(step.get("type")).split(".")[-1] == "Resize" and step.get("keep_ratio"):
            scale = step.get("scale")
            sides = (scale, scale) if isinstance(scale, int) else tuple(scale or ())
            if len(sides) == 2:
                return Size(max(sides), min(sides))
    return None
