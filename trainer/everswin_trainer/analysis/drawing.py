"""Shrinks pictures and outlines for the report, which draws them, and draws masks and boxes on other pictures."""

import base64
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from pycocotools import mask as mask_codec

LONG_SIDE = 480
# Keeps a gallery of at most 48 pictures below 3 MB in base64.
MAX_PICTURE_BYTES = 45_000
MASK_OPACITY = 0.45
# Hue step between consecutive classes that keeps their colors distinct, in OpenCV's degrees (0 to 179).
GOLDEN_ANGLE = 111.246
MAX_POINTS, MAX_OUTLINES = 200, 20


@dataclass(frozen=True)
class Drawn:
    """A shape to draw. `box` is x, y, width, height in pixels of the picture; `mask` covers the original image.

    A detector without masks has None.
    """

    label: int
    box: list[float]
    mask: dict[str, Any] | None


def shrink(image: np.ndarray, long_side: int = LONG_SIDE) -> np.ndarray:
    """Shrinks an image so that its long side has at most `long_side` pixels."""
    height, width = image.shape[:2]
    scale = long_side / max(height, width)
    if scale >= 1:
        return image
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def encode(picture: np.ndarray, max_bytes: int = MAX_PICTURE_BYTES) -> str:
    """Returns the picture as a JPEG file in base64, with the highest quality that keeps the size limit."""
    return base64.b64encode(jpeg(picture, max_bytes)).decode()


def paint(picture: np.ndarray, shapes: list[Drawn], thickness: int = 1) -> np.ndarray:
    """Returns a copy of the picture with the shapes; the first one is on top."""
    canvas = picture.copy()
    height, width = canvas.shape[:2]
    for one in reversed(shapes):
        color = color_of(one.label)
        if one.mask is not None:
            mask = small_mask(one.mask, width, height)
            inside = mask.astype(bool)
            canvas[inside] = ((1 - MASK_OPACITY) * canvas[inside] + MASK_OPACITY * np.array(color)).astype(np.uint8)
            edges, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
            cv2.drawContours(canvas, edges, -1, color, thickness)
        x, y, w, h = one.box
        cv2.rectangle(canvas, (round(x), round(y)), (round(x + w), round(y + h)), color, thickness)
    return canvas


def outlines(mask: dict[str, Any], width: int, height: int) -> list[list[int]]:
    """Returns the polygons of a mask scaled to a picture, largest first, with holes: fill them by the even-odd rule."""
    contours, _ = cv2.findContours(small_mask(mask, width, height), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    largest = sorted(contours, key=cv2.contourArea, reverse=True)[:MAX_OUTLINES]
    return [_simplified(one).reshape(-1).tolist() for one in largest]


def small_mask(mask: dict[str, Any], width: int, height: int) -> np.ndarray:
    """Returns the mask scaled to a picture, (height, width) uint8 of 0 and 1."""
    return cv2.resize(mask_codec.decode(mask), (width, height), interpolation=cv2.INTER_NEAREST)


def color_of(label: int) -> tuple[int, int, int]:
    """Returns the color of a class as BGR."""
    pixel = np.array([[[int(label * GOLDEN_ANGLE) % 180, 200, 255]]], np.uint8)
    blue, green, red = cv2.cvtColor(pixel, cv2.COLOR_HSV2BGR)[0, 0].tolist()
    return blue, green, red


def _simplified(contour: np.ndarray) -> np.ndarray:
    tolerance = 0.7
    result = cv2.approxPolyDP(contour, tolerance, True)
    while len(result) > MAX_POINTS:
        tolerance *= 1.5
        result = cv2.approxPolyDP(contour, tolerance, True)
    return result


def jpeg(canvas: np.ndarray, max_bytes: int) -> bytes:
    """Returns the picture as a JPEG file, with the highest quality that keeps the size limit."""
    for quality in range(85, 0, -12):
        done, content = cv2.imencode(".jpg", canvas, [cv2.IMWRITE_JPEG_QUALITY, quality])
        assert done
        if len(content) <= max_bytes:
            break
    return content.tobytes()
