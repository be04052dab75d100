"""Draws some images of a data set with their masks, boxes and classes, as one picture with a row for each split."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from pycocotools import mask as coco_mask

from everswin_trainer.detector.label_font import choose_font, load_font, write_label
from everswin_trainer.importing.image_size import decode
from everswin_trainer.importing.part import Part
from everswin_trainer.importing.source import CannotImport
from everswin_trainer.system.atomic_file import write_atomic

TILE, COLUMNS, GAP, TITLE, LABEL = 400, 3, 4, 28, 13
FONT, BLACK = cv2.FONT_HERSHEY_SIMPLEX, (20, 20, 20)
COLORS = ((60, 76, 231), (219, 152, 52), (96, 174, 39), (18, 156, 243), (182, 89, 155), (156, 188, 26))


def write_preview(parts: dict[str, Part], path: Path) -> None:
    """Draws images with objects, those that show many classes first. Omits images that cannot be read."""
    rows = []
    for name, part in parts.items():
        tiles = []
        for image, objects in _examples(part):
            with suppress(CannotImport):
                tiles.append(_draw(part, image, objects))
        tiles += [np.full((TILE, TILE, 3), 255, np.uint8)] * (COLUMNS - len(tiles))
        title = np.full((TITLE, TILE * COLUMNS, 3), 255, np.uint8)
        cv2.putText(title, name, (2, TITLE - 9), FONT, 0.65, BLACK, 1, cv2.LINE_AA)
        rows += [title, np.hstack(tiles)]
    done, content = cv2.imencode(".png", np.vstack(rows))
    assert done
    with write_atomic(path) as stream:
        stream.write(content.tobytes())


def _examples(part: Part) -> list[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Returns images of a part with their objects. Each next image has the most classes that none before has."""
    objects: dict[Any, list[dict[str, Any]]] = {}
    for one in part.document["annotations"]:
        objects.setdefault(one.get("image_id"), []).append(one)
    images = [one for one in part.document["images"] if one.get("id") in objects][:2000]
    seen: set[Any] = set()
    chosen = []
    while images and len(chosen) < COLUMNS:
        best = max(images, key=lambda one: len({a.get("category_id") for a in objects[one["id"]]} - seen))
        images.remove(best)
        seen |= {one.get("category_id") for one in objects[best["id"]]}
        chosen.append((best, objects[best["id"]]))
    return chosen


def _draw(part: Part, image: dict[str, Any], objects: list[dict[str, Any]]) -> np.ndarray:
    name = image["file_name"]
    pixels = decode(part.source, f"{part.match.root}/{name}" if part.match.root else name)
    height, width = pixels.shape[:2]
    scale = TILE / max(height, width)
    pixels = cv2.resize(pixels, (max(1, round(width * scale)), max(1, round(height * scale))))
    names = dict(part.classes)
    order = {key: number for number, key in enumerate(names)}
    labels = []
    for one in objects:
        color = COLORS[order.get(one.get("category_id"), 0) % len(COLORS)]
        _draw_mask(pixels, one.get("segmentation"), scale, color)
        x, y, w, h = (round(float(value) * scale) for value in one["bbox"])
        cv2.rectangle(pixels, (x, y), (x + w, y + h), color, 1)
        labels.append((str(names.get(one.get("category_id"), "?")), (x, y), color))
    pixels = _write_labels(pixels, labels, load_font(choose_font(map(str, names.values())), LABEL))
    tile = np.full((TILE, TILE, 3), 255, np.uint8)
    tile[: pixels.shape[0] - GAP, : pixels.shape[1] - GAP] = pixels[:-GAP, :-GAP]
    return tile


def _write_labels(
    pixels: np.ndarray, labels: list[tuple[str, tuple[int, int], tuple[int, int, int]]], font: ImageFont.FreeTypeFont
) -> np.ndarray:
    """Returns the image with a label at the corner of each object, in the color of its class."""
    drawn = Image.fromarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB))
    pen = ImageDraw.Draw(drawn)
    for text, corner, color in labels:
        write_label(pen, text, corner, font, color, pixels.shape[1] - GAP)
    return cv2.cvtColor(np.asarray(drawn), cv2.COLOR_RGB2BGR)


def _draw_mask(pixels: np.ndarray, segmentation: Any, scale: float, color: tuple[int, int, int]) -> None:
    layer = pixels.copy()
    if isinstance(segmentation, list):
        outlines = [np.array(one, np.float32).reshape(-1, 2) * scale for one in segmentation if len(one) >= 6]
        if not outlines:
            return
        cv2.fillPoly(layer, [np.round(one).astype(np.int32) for one in outlines], color)
    elif isinstance(segmentation, dict):
        encoded = segmentation
        if isinstance(segmentation["counts"], list):
            encoded = coco_mask.frPyObjects(segmentation, *segmentation["size"])
        mask = cv2.resize(coco_mask.decode(encoded), pixels.shape[1::-1], interpolation=cv2.INTER_NEAREST)
        layer[mask > 0] = color
    cv2.addWeighted(layer, 0.45, pixels, 0.55, 0, dst=pixels)
