"""Fonts for class names in any script: the one that comes with matplotlib, or one of the system."""

from collections.abc import Iterable
from functools import cache
from pathlib import Path

import matplotlib
from fontTools.ttLib import TTFont, TTLibError
from PIL import ImageFont

DEFAULT = Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf"


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
