"""Trajectories from above, beside each other: the true one and what was estimated."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from cinet_core.visualize.text import FAINT, INK, Color, Pen, Picture, blank, shortened

MARGIN = 28
HEADER = 30
LINE = 20
TRUE_COLOR: Color = INK
COLORS: tuple[Color, ...] = ((86, 180, 233), (230, 159, 0), (0, 158, 115), (204, 121, 167))
"""Okabe and Ito's, which the colour-blind tell apart."""

ROUND_LENGTHS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0)
"""Metres: what the scale bar may be; the longest that is at most a third of the picture."""

Points = npt.NDArray[np.float64]


def seen_from_above(poses: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(2, 3): the axes of a top view, to the right and up in the picture; up is where the camera looked on average.

    The vertical is taken to be the camera's own, on average: a world has no up of its own here.

    Args:
        poses: (N, 4, 4), camera to world, at least one.
    """
    down = poses[:, :3, 1].mean(axis=0)
    down /= np.linalg.norm(down)
    forward = poses[:, :3, 2].mean(axis=0)
    forward -= down * (forward @ down)
    forward /= np.linalg.norm(forward)
    return np.stack([np.cross(down, forward), forward])


def trajectory_figure(
    panels: Sequence[tuple[str, Mapping[str, Points]]], truth: Points, axes: npt.NDArray[np.float64], size: int = 480
) -> Picture:
    """Top views of trajectories that were laid over the true one.

    Args:
        panels: title of each view, and the positions (N, 3) in it by name, metres. Equal names have equal colours.
        truth: (M, 3) true positions, metres.
        axes: (2, 3), of the picture: `seen_from_above`.
        size: of the square that each view has, pixels.

    Returns:
        (H, W, 3) uint8 RGB. All views have one scale; dots mark the starts.

    Raises:
        ValueError: there is no view.
    """
    if not panels:
        raise ValueError("no views: give at least one title with its trajectories")
    names = list(dict.fromkeys(name for _, lines in panels for name in lines))
    flat = np.concatenate([truth, *(line for _, lines in panels for line in lines.values())]) @ axes.T
    low, high = flat.min(axis=0), flat.max(axis=0)
    extent = max(float((high - low).max()), 1e-3)
    pixels = (size - 2 * MARGIN) / extent
    middle = 0.5 * (low + high)
    bottom = HEADER + size
    picture = blank(bottom + LINE * (len(names) + 1) + MARGIN // 2, size * len(panels))

    def place(points: Points, left: float) -> list[tuple[float, float]]:
        x, y = ((points @ axes.T - middle) * pixels).T
        return list(zip((left + size / 2 + x).tolist(), (HEADER + size / 2 - y).tolist(), strict=True))

    with Pen(picture) as pen:
        for number, (title, lines) in enumerate(panels):
            left = number * size
            pen.text((left + MARGIN, HEADER / 2), shortened(title, 15, size - MARGIN), 15, INK, "lm")
            _draw(pen, place(truth, left), TRUE_COLOR, 3)
            for name, line in lines.items():
                _draw(pen, place(line, left), COLORS[names.index(name) % len(COLORS)], 2)
        _scale_bar(pen, pixels, size, bottom)
        for row, name in enumerate(["truth", *names]):
            color = TRUE_COLOR if row == 0 else COLORS[(row - 1) % len(COLORS)]
            y = bottom + LINE * (row + 0.5)
            pen.line([(MARGIN, y), (MARGIN + 30, y)], color, 3)
            pen.text((MARGIN + 40, y), name, 13, INK, "lm")
    return picture


def _draw(pen: Pen, line: list[tuple[float, float]], color: Color, width: int) -> None:
    if len(line) > 1:
        pen.line(line, color, width)
    x, y = line[0]
    pen.rectangle((x - 4, y - 4, x + 4, y + 4), color)


def _scale_bar(pen: Pen, pixels: float, size: int, bottom: int) -> None:
    """A bar of a round length, below on the right of the first view."""
    longest = (size - 2 * MARGIN) / (3 * pixels)
    fitting = [length for length in ROUND_LENGTHS if length <= longest]
    length = fitting[-1] if fitting else 10.0 ** math.floor(math.log10(longest))
    right, y = size - MARGIN, bottom - 6
    pen.line([(right - length * pixels, y), (right, y)], FAINT, 3)
    pen.text((right, y - 6), f"{length:g} m", 13, FAINT, "rs")
