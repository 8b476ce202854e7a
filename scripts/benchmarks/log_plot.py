"""Measured points and the power laws through them, on logarithmic axes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from cinet_core.visualize.text import FAINT, INK, Color, Pen, Picture, blank

WIDTH, HEIGHT = 460, 320
LEFT, RIGHT, TOP, BOTTOM = 64, 20, 34, 48
GRID: Color = (58, 62, 70)
LINE: Color = (92, 132, 176)
POINT: Color = (255, 176, 32)
# Digits of round numbers: the first of these that give an axis as many as it needs to be read.
ROUND = ((1,), (1, 2, 5), tuple(range(1, 10)))
ENOUGH_TICKS = 3
# What is drawn reaches this far beyond the outermost points, as a factor.
MARGIN = 1.3
COLUMNS = 2


@dataclass(frozen=True)
class Series:
    """What one plot shows.

    Attributes:
        title: above it.
        x_label: below it.
        unit: of y.
        x, y: the points, all above 0.
        law: drawn as a line.
        caption: in the plot, beside the line.
    """

    title: str
    x_label: str
    unit: str
    x: Sequence[float]
    y: Sequence[float]
    law: Callable[[float], float]
    caption: str


def log_plots(series: Sequence[Series]) -> Picture:
    """All plots in rows of two: (H, W, 3) uint8 RGB.

    Raises:
        ValueError: there are none.
    """
    if not series:
        raise ValueError("nothing to draw: give at least one series")
    pictures = [log_plot(one) for one in series]
    pictures += [blank(HEIGHT, WIDTH)] * (-len(pictures) % COLUMNS)
    rows = [np.concatenate(pictures[start : start + COLUMNS], axis=1) for start in range(0, len(pictures), COLUMNS)]
    return np.concatenate(rows, axis=0)


def log_plot(series: Series) -> Picture:
    """One plot: (320, 460, 3) uint8 RGB."""
    picture = blank(HEIGHT, WIDTH)
    across = _Axis(series.x, LEFT, WIDTH - RIGHT)
    up = _Axis([*series.y, *(series.law(x) for x in series.x)], HEIGHT - BOTTOM, TOP)
    with Pen(picture) as pen:
        for value in across.ticks():
            pen.line([(across(value), TOP), (across(value), HEIGHT - BOTTOM)], GRID)
            pen.text((across(value), HEIGHT - BOTTOM + 6), _short(value), 12, FAINT, "ma")
        for value in up.ticks():
            pen.line([(LEFT, up(value)), (WIDTH - RIGHT, up(value))], GRID)
            pen.text((LEFT - 6, up(value)), _short(value), 12, FAINT, "rm")
        pen.line([(across(x), up(series.law(x))) for x in (min(series.x), max(series.x))], LINE, 2)
        for x, y in zip(series.x, series.y, strict=True):
            left, top = across(x) - 3, up(y) - 3
            pen.rectangle((left, top, left + 6, top + 6), POINT)
        pen.text((LEFT, 10), f"{series.title} [{series.unit}]", 14, INK)
        pen.text((WIDTH - RIGHT, HEIGHT - 8), series.x_label, 12, INK, "rs")
        pen.text((LEFT + 8, TOP + 8), series.caption, 13, LINE, halo=True)
    return picture


class _Axis:
    """From values to pixels of one direction, by their logarithm."""

    def __init__(self, values: Sequence[float], begin: float, end: float) -> None:
        self._low, self._high = min(values) / MARGIN, max(values) * MARGIN
        self._begin, self._end = begin, end

    def __call__(self, value: float) -> float:
        share = math.log(value / self._low) / math.log(self._high / self._low)
        return self._begin + share * (self._end - self._begin)

    def ticks(self) -> list[float]:
        """Round numbers, powers of ten where these are enough."""
        low, high = math.floor(math.log10(self._low)), math.ceil(math.log10(self._high))
        for digits in ROUND:
            values = [digit * 10.0**power for power in range(low, high + 1) for digit in digits]
            inside = [value for value in values if self._low <= value <= self._high]
            if len(inside) >= ENOUGH_TICKS:
                break
        return inside


def _short(value: float) -> str:
    """A round number in few characters: 200000 as 200k."""
    for limit, letter in ((1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:g}{letter}"
    return f"{value:g}"
