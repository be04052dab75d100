"""Draws predictions with class names and scores on an image."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw

from everswin_trainer.analysis.drawing import Drawn, color_of, paint, shrink
from everswin_trainer.detector.label_font import can_draw, load_font, write_label

# Enough for a screen. Drawing a hundred masks on a photograph of 50 megapixels would take longer than predicting them.
LONG_SIDE = 1600
SHORTEST_LONG_SIDE = 480
QUALITY = 90


@dataclass(frozen=True)
class Labeled:
    """A prediction. `shape` has pixels of the original image."""

    shape: Drawn
    text: str


def draw_predictions(image: np.ndarray, predictions: list[Labeled], font: Path) -> bytes:
    """Returns a JPEG file of the image, as the model saw it, with predictions; the first one is on top."""
    picture = enlarge(shrink(image, LONG_SIDE))
    height, width = picture.shape[:2]
    scale = width / image.shape[1]
    shapes = [Drawn(one.shape.label, [value * scale for value in one.shape.box], one.shape.mask) for one in predictions]
    canvas = paint(picture, shapes, thickness=max(1, round(max(width, height) / 500)))
    drawn = Image.fromarray(cv2.cvtColor(canvas, cv2.COLOR_BGR2RGB))
    pen, size = ImageDraw.Draw(drawn), max(11, round(max(width, height) / 55))
    for shape, one in reversed(list(zip(shapes, predictions, strict=True))):
        write_label(pen, one.text, (shape.box[0], shape.box[1]), load_font(font, size), color_of(shape.label), width)
    done, jpeg = cv2.imencode(
        ".jpg", cv2.cvtColor(np.asarray(drawn), cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
    )
    assert done
    return jpeg.tobytes()


def enlarge(picture: np.ndarray) -> np.ndarray:
    """Enlarges a small picture, which labels would cover."""
    scale = SHORTEST_LONG_SIDE / max(picture.shape[:2])
    return picture if scale <= 1 else cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_NEAREST)


def label_of(name: str, number: int, score: float, font: Path) -> str:
    """Returns the text of a prediction; the number of the class if the font lacks a character of its name."""
    shown = name if len(name) <= 40 else f"{name[:39]}…"
    return f"{shown if can_draw(font, shown) else f'class {number}'} {score:.2f}"
