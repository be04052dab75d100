"""Compares the outlines of objects with the edges of a rotated image, to tell how the image was annotated.

The size of a square or mirrored image does not tell whether its annotations belong to the image before or after the
rotation. The outlines of objects follow edges in only one of the two.
"""

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from everswin_trainer.data.decode_image import decode_both

if TYPE_CHECKING:
    import numpy

# Only contrasts that differ by more than this factor count.
CLEAR_FACTOR = 1.15
# Images that decide: this many at least, and this share of those that have a clear contrast.
ENOUGH_IMAGES, CLEAR_SHARE = 8, 0.8
LINE_PIXELS, BORDER_PIXELS = 3, 2

Outline = list[tuple[float, float]]


class Evidence(NamedTuple):
    """Numbers of images whose outlines follow the edges of the image as loaded, and as stored."""

    loaded: int
    stored: int

    def verdict(self) -> Literal["loaded", "stored", "unclear"]:
        total = self.loaded + self.stored
        if total >= ENOUGH_IMAGES and self.loaded >= CLEAR_SHARE * total:
            return "loaded"
        if total >= ENOUGH_IMAGES and self.stored >= CLEAR_SHARE * total:
            return "stored"
        return "unclear"


def find_outlines(objects: list[dict[str, Any]]) -> list[Outline]:
    """Returns polygons of checked annotations, and the boxes of objects without polygons."""
    outlines: list[Outline] = []
    for one in objects:
        polygons = one.get("segmentation")
        if isinstance(polygons, list) and polygons:
            outlines += [list(zip(polygon[::2], polygon[1::2], strict=False)) for polygon in polygons]
        else:
            x, y, width, height = one["bbox"]
            outlines.append([(x, y), (x + width, y), (x + width, y + height), (x, y + height)])
    return outlines


def compare(content: bytes, outlines: list[Outline]) -> int:
    """Returns 1 if outlines follow the edges of the image as loaded, -1 if as stored, and 0 if neither is clear."""
    loaded, stored = (_contrast(image, outlines) for image in decode_both(content))
    if loaded > CLEAR_FACTOR * stored:
        return 1
    return -1 if stored > CLEAR_FACTOR * loaded else 0


def _contrast(image: "numpy.ndarray", outlines: list[Outline]) -> float:
    """Returns the mean strength of edges along outlines, without those along the border of the image."""
    import cv2
    import numpy

    gray = cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), (3, 3), 0).astype(numpy.float32)
    strength = cv2.magnitude(cv2.Sobel(gray, cv2.CV_32F, 1, 0), cv2.Sobel(gray, cv2.CV_32F, 0, 1))
    lines = numpy.zeros(gray.shape, numpy.uint8)
    for outline in outlines:
        points = numpy.clip(numpy.array(outline), -1e6, 1e6).round().astype(numpy.int32)
        cv2.polylines(lines, [points.reshape(-1, 1, 2)], True, 1, LINE_PIXELS)
    for edge in (lines[:BORDER_PIXELS], lines[-BORDER_PIXELS:], lines[:, :BORDER_PIXELS], lines[:, -BORDER_PIXELS:]):
        edge[:] = 0
    return float(strength[lines > 0].mean()) if lines.any() else 0.0
