"""Writes class names in any script, with the font that comes with matplotlib or one of the system."""

from collections.abc import Iterable
from functools import cache
from pathlib import Path

import matplotlib
from fontTools.ttLib import TTFont, TTLibError
from PIL import ImageDraw, ImageFont

DEFAULT = Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf"
DARK, LIGHT = (20, 20, 20), (255, 255, 255)
MARGIN = 2


def choose_font(names: Iterable[str]) -> Path:
    """Returns the font that can draw the most names; the default one if none draws more."""
    texts = list(names)

    def drawable(font: Path) -> int:
        return sum(can_draw(font, text) for text in texts)

    if drawable(DEFAULT) == len(texts):
        return DEFAULT
    from matplotlib.font_manager import findSystemFonts

    return max([DEFAULT, *sorted(map(Path, findSystemFonts()))], key=drawable)


def can_draw(font: Path, text: str) -> bool:
    """Returns whether the font has every character of the text."""
    return _characters(font).issuperset(map(ord, text))


def write_label(
    pen: ImageDraw.ImageDraw,
    text: str,
    corner: tuple[float, float],
    font: ImageFont.FreeTypeFont,
    color: tuple[int, int, int],
    width: int,
) -> None:
    """Writes a label of a BGR color above the corner of a box, within a picture of this width."""
    left, top, right, bottom = pen.textbbox((0, 0), text, font=font)
    label_width, label_height = right - left + 2 * MARGIN, bottom - top + 2 * MARGIN
    x = max(0, min(corner[0], width - label_width))
    y = max(0, corner[1] - label_height)
    pen.rectangle((x, y, x + label_width, y + label_height), fill=color[::-1])
    blue, green, red = color
    ink = LIGHT if 0.11 * blue + 0.59 * green + 0.3 * red < 100 else DARK
    pen.text((x + MARGIN - left, y + MARGIN - top), text, font=font, fill=ink)


@cache
def load_font(font: Path, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(font), size)


@cache
def _characters(font: Path) -> frozenset[int]:
    try:
        with TTFont(font, fontNumber=0, lazy=True) as opened:
            return frozenset(opened.getBestCmap() or ())
    except (OSError, TTLibError, ValueError):
        return frozenset()
