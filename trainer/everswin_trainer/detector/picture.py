"""Draws objects with class names on an image, and predictions also with their scores."""

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
# Height of the letters as a share of the long side of a picture.
LETTERS = 1 / 55


@dataclass(frozen=True)
class Labeled:
    """An object or a prediction. `shape` has pixels of the original image."""

    shape: Drawn
    text: str


def draw_predictions(image: np.ndarray, predictions: list[Labeled], font: Path) -> bytes:
    """Returns a JPEG file of the image, as the model saw it, with predictions; the first one is on top."""
    picture = draw_labeled(image, predictions, font, LONG_SIDE, LETTERS)
    done, jpeg = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    assert done
    return jpeg.tobytes()


def draw_labeled(image: np.ndarray, labeled: list[Labeled], font: Path, long_side: int, letters: float) -> np.ndarray:
    """Returns the BGR image with masks, boxes and texts; the first one is on top."""
    picture = enlarge(shrink(image, long_side))
    height, width = picture.shape[:2]
    scale = width / image.shape[1]
    shapes = [Drawn(one.shape.label, [value * scale for value in one.shape.box], one.shape.mask) for one in labeled]
    size = max(11, round(max(width, height) * letters))
    canvas = paint(picture, shapes, thickness=max(1, round(size / 9)))
    drawn = Image.fromarray(cv2.cvtColor(canvas, cv2.COLOR_BGR2RGB))
    pen = ImageDraw.Draw(drawn)
    for shape, one in reversed(list(zip(shapes, labeled, strict=True))):
        corner = (shape.box[0], shape.box[1])
        write_label(pen, one.text, corner, load_font(font, size), color_of(shape.label), width)
    return cv2.cvtColor(np.asarray(drawn), cv2.COLOR_RGB2BGR)


def enlarge(picture: np.ndarray) -> np.ndarray:
    """Enlarges a small picture, which labels would cover."""
    scale = SHORTEST_LONG_SIDE / max(picture.shape[:2])
    return picture if scale <= 1 else cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_NEAREST)


def label_of(name: str, number: int, score: float, font: Path) -> str:
    """Returns the text of a prediction."""
    return f"{shown_name(name, number, font)} {score:.2f}"


def shown_name(name: str, number: int, font: Path) -> str:
    """Returns the name of a class, shortened; the number of the class if the font lacks a character of its name."""
    shown = name if len(name) <= 40 else f"{name[:39]}…"
    return shown if can_draw(font, shown) else f"class {number}"
