"""Draws the first images of a training as one picture, before it starts (docs/reference/trainer-contract.md)."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from everswin_trainer.data.dataset import PreparedData
from everswin_trainer.job.plan import Plan
from everswin_trainer.model import deferred_imports, mmcv_ops
from everswin_trainer.model.recipe import load_recipe
from everswin_trainer.system.atomic_file import write_atomic, write_json
from everswin_trainer.system.process_setup import imports_without_gc, prepare_process

if TYPE_CHECKING:
    from PIL.Image import Image

    from everswin_trainer.training.first_images import FirstImage

MAX_BYTES = 300_000
COLUMNS, GAP = 4, 12
# A line of MAX_CHARACTERS fits the width of a column.
LEAST_WIDTH, LETTERS, LINE, MAX_CHARACTERS = 500, 15, 21, 54
INK, SOFT = (29, 35, 41), (92, 102, 112)


def main(argv: list[str]) -> int:
    """Writes the picture and the answer. Returns 0 also if recipe or images refuse to be read."""
    parser = argparse.ArgumentParser(prog="everswin_trainer show-batch")
    parser.add_argument("--plan", type=Path, required=True)
    parser.add_argument("--recipe", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--into", type=Path, required=True, help="JPEG file to write")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args(argv)
    prepare_process("cpu")
    deferred_imports.install()
    mmcv_ops.install()
    # Imported here: MMDetection takes seconds to import, and needs mmcv's ops to be set up.
    with imports_without_gc():
        from everswin_trainer.training.first_images import draw_first_images
    try:
        plan = Plan.load(arguments.plan)
        images = draw_first_images(plan, load_recipe(arguments.recipe, plan), PreparedData.at(arguments.data))
    except (ValueError, OSError) as error:
        write_json(arguments.out, {"v": 1, "ok": False, "problem": str(error)})
        return 0
    write_picture(images, arguments.into)
    write_json(arguments.out, {"v": 1, "ok": True, "images": [one.facts() for one in images]})
    return 0


def write_picture(images: "list[FirstImage]", path: Path) -> None:
    import cv2
    import numpy as np

    from everswin_trainer.analysis.drawing import jpeg

    page = lay_out(images)
    with write_atomic(path) as stream:
        stream.write(jpeg(cv2.cvtColor(np.asarray(page), cv2.COLOR_RGB2BGR), MAX_BYTES))


def lay_out(images: "list[FirstImage]") -> "Image":
    """Returns all pictures in rows, each with two lines of text below."""
    from PIL import Image, ImageDraw

    from everswin_trainer.detector.label_font import choose_font, load_font

    font = load_font(choose_font([one.file_name for one in images]), LETTERS)
    rows = [images[first : first + COLUMNS] for first in range(0, len(images), COLUMNS)]
    cell = max(LEAST_WIDTH, *(one.picture.shape[1] for one in images)) + GAP
    heights = [max(one.picture.shape[0] for one in row) + 2 * LINE + GAP for row in rows]
    page = Image.new("RGB", (GAP + cell * len(rows[0]), GAP + sum(heights)), "white")
    pen, top = ImageDraw.Draw(page), GAP
    for row, height in zip(rows, heights, strict=True):
        for column, one in enumerate(row):
            left, bottom = GAP + column * cell, top + one.picture.shape[0]
            page.paste(Image.fromarray(one.picture[:, :, ::-1]), (left, top))
            pen.text((left, bottom + 3), title(one), font=font, fill=INK)
            pen.text((left, bottom + 3 + LINE), caption(one), font=font, fill=SOFT)
        top += height
    return page


def title(one: "FirstImage") -> str:
    """Returns step and name; of a long name the end, which tells the images of a folder apart."""
    step = f"Step {one.step}: "
    room = MAX_CHARACTERS - len(step)
    return step + (one.file_name if len(one.file_name) <= room else f"…{one.file_name[1 - room :]}")


def caption(one: "FirstImage") -> str:
    original, augmented, padded = (f"{width} x {height}" for width, height in (one.original, one.augmented, one.padded))
    padding = "" if padded == augmented else f", padded to {padded}"
    return f"{original} → {augmented}{', flipped' if one.flipped else ''}{padding}"
