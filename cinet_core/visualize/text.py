"""Text on images, drawn by Pillow with the font that it carries."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

__all__ = [
    "BACKGROUND",
    "FAINT",
    "INK",
    "Color",
    "Pen",
    "RgbImage",
    "blank",
    "font",
    "shortened",
    "text_width",
    "wrapped",
]

RgbImage = npt.NDArray[np.uint8]
Color = tuple[int, int, int]

BACKGROUND: Color = (24, 26, 30)
INK: Color = (232, 234, 238)
FAINT: Color = (150, 154, 162)


@lru_cache(maxsize=16)
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own font, ``size`` pixels high."""
    return ImageFont.load_default(size)


def blank(height: int, width: int, color: Color = BACKGROUND) -> RgbImage:
    """A (height, width, 3) image of one colour."""
    return np.full((height, width, 3), color, dtype=np.uint8)


def text_width(text: str, size: int) -> int:
    """Width in pixels of a line of text."""
    return round(font(size).getlength(text))


def shortened(text: str, size: int, width: int) -> str:
    """The text, cut and ended by "..." where it is wider than ``width`` pixels."""
    if text_width(text, size) <= width:
        return text
    while text and text_width(text + "...", size) > width:
        text = text[:-1]
    return text.rstrip() + "..."


def wrapped(text: str, size: int, width: int) -> list[str]:
    """The text in lines of at most ``width`` pixels, broken at blanks."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if text_width(longer, size) <= width or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    return [shortened(line, size, width) for line in lines]


class Pen:
    """Draws on an image in place; positions are (x, y) in pixels."""

    def __init__(self, image: RgbImage) -> None:
        """Take a (H, W, 3) uint8 RGB image."""
        self._target = image
        self._image = Image.fromarray(image)
        self._draw = ImageDraw.Draw(self._image)

    def __enter__(self) -> Pen:
        """Start drawing."""
        return self

    def __exit__(self, *_: object) -> None:
        """Put what was drawn into the image."""
        self._target[...] = np.asarray(self._image)

    def text(
        self,
        at: tuple[float, float],
        text: str,
        size: int = 13,
        color: Color = INK,
        anchor: Literal["la", "lm", "mm", "ma", "rm", "ms", "rs", "ra"] = "la",
        halo: bool = False,
    ) -> None:
        """A line of text; ``anchor`` is Pillow's; ``halo`` keeps it readable on a busy ground."""
        stroke = 2 if halo else 0
        self._draw.text(
            at, text, fill=color, font=font(size), anchor=anchor, stroke_width=stroke, stroke_fill=BACKGROUND
        )

    def line(self, points: list[tuple[float, float]], color: Color, width: int = 1) -> None:
        """A line through points."""
        self._draw.line(points, fill=color, width=width)

    def rectangle(self, box: tuple[float, float, float, float], fill: Color) -> None:
        """A filled rectangle (left, top, right, bottom), both ends included."""
        self._draw.rectangle(box, fill=fill)

    def polygon(self, points: list[tuple[float, float]], fill: Color, outline: Color) -> None:
        """A filled polygon."""
        self._draw.polygon(points, fill=fill, outline=outline)
