"""Draws masks and boxes on a picture, without text: the report renders names in any script."""

import base64
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from pycocotools import mask as mask_codec

LONG_SIDE = 480
# All pictures of a gallery, 24 at most, stay below 1.5 MB in base64.
MOST_BYTES = 45_000
MASK_SHARE = 0.45
# Hue step between consecutive classes that keeps their colors distinct, in OpenCV's degrees (0 to 179).
GOLDEN_ANGLE = 111.246
MOST_POINTS, MOST_OUTLINES = 200, 20


@dataclass(frozen=True)
class Drawn:
    """`box` is x, y, width, height in pixels of the picture; `mask` is compressed run lengths of the whole image."""

    label: int
    box: list[float]
    mask: dict[str, Any]


def shrink(image: np.ndarray) -> np.ndarray:
    """Shrinks an image so that its long side has at most LONG_SIDE pixels."""
    height, width = image.shape[:2]
    scale = LONG_SIDE / max(height, width)
    if scale >= 1:
        return image
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def draw(picture: np.ndarray, shapes: list[Drawn]) -> str:
    """Returns the picture with the shapes as a JPEG file in base64."""
    canvas = picture.copy()
    height, width = canvas.shape[:2]
    for one in reversed(shapes):
        color = color_of(one.label)
        mask = small_mask(one.mask, width, height)
        inside = mask.astype(bool)
        canvas[inside] = ((1 - MASK_SHARE) * canvas[inside] + MASK_SHARE * np.array(color)).astype(np.uint8)
        edges, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(canvas, edges, -1, color, 1)
        x, y, w, h = one.box
        cv2.rectangle(canvas, (round(x), round(y)), (round(x + w), round(y + h)), color, 1)
    return base64.b64encode(_jpeg(canvas)).decode()


def outlines(mask: dict[str, Any], width: int, height: int) -> list[list[int]]:
    """Polygons of the mask in a picture of that size, the largest first; holes too, so fill them by even and odd."""
    found, _ = cv2.findContours(small_mask(mask, width, height), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    largest = sorted(found, key=cv2.contourArea, reverse=True)[:MOST_OUTLINES]
    return [_simplified(one).reshape(-1).tolist() for one in largest]


def small_mask(mask: dict[str, Any], width: int, height: int) -> np.ndarray:
    """(height, width) uint8 of 0 and 1."""
    return cv2.resize(mask_codec.decode(mask), (width, height), interpolation=cv2.INTER_NEAREST)


def color_of(label: int) -> tuple[int, int, int]:
    """Of a class, BGR."""
    pixel = np.array([[[int(label * GOLDEN_ANGLE) % 180, 200, 255]]], np.uint8)
    blue, green, red = cv2.cvtColor(pixel, cv2.COLOR_HSV2BGR)[0, 0].tolist()
    return blue, green, red


def _simplified(contour: np.ndarray) -> np.ndarray:
    tolerance = 0.7
    result = cv2.approxPolyDP(contour, tolerance, True)
    while len(result) > MOST_POINTS:
        tolerance *= 1.5
        result = cv2.approxPolyDP(contour, tolerance, True)
    return result


def _jpeg(canvas: np.ndarray) -> bytes:
    """Of the best quality that fits."""
    for quality in range(85, 0, -12):
        done, jpeg = cv2.imencode(".jpg", canvas, [cv2.IMWRITE_JPEG_QUALITY, quality])
        assert done
        if len(jpeg) <= MOST_BYTES:
            break
    return jpeg.tobytes()
