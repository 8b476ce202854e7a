"""Images in rows and columns, as a figure of a paper has them, drawn by matplotlib."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Sequence
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

__all__ = [
    "DPI",
    "LINE",
    "SMALL_SIZE",
    "Axeses",
    "add_bar",
    "image_grid",
    "image_height",
    "show_image",
    "show_labels",
    "show_text",
    "show_values",
]

DPI = 100
MARGIN, GAP = 16, 10
NOTE = 20
"""Pixels above each image for a line of text."""

BAR = 66
"""Pixels to the right of an image for its colour bar and the numbers beside it."""

LINE = 19
TITLE_SIZE, NOTE_SIZE, SMALL_SIZE = 11, 9, 8
UNKNOWN = "0.25"
"""Grey of what has no value."""

Axeses = npt.NDArray[np.object_]
"""Axes of a grid; (rows, columns) of it, or a part."""


def image_grid(
    titles: Sequence[str],
    heights: Sequence[int],
    tile: int,
    bars: Collection[int] = (),
    caption: str = "",
    warning: bool = False,
    foot: int = 0,
) -> tuple[Figure, Axeses]:
    """A figure with axes for images, each exactly as large as asked for at `DPI`.

    Args:
        titles: of the columns.
        heights: of the rows, in pixels.
        tile: width of every image, in pixels.
        bars: columns that leave room for a colour bar to the right.
        caption: over all of it.
        warning: the caption stands on red: what is shown must not be trusted.
        foot: pixels left free at the bottom, for a legend.

    Returns:
        The figure, and its axes (rows, columns), which stay invisible until something is shown in them.
    """
    rooms = [tile + (BAR if column in bars else 0) for column in range(len(titles))]
    lefts = MARGIN + np.cumsum([0, *(room + GAP for room in rooms)])
    width = int(lefts[-1]) - GAP + MARGIN
    wrapped = [textwrap.fill(title, max(1, tile // 9)) for title in titles]
    caption = textwrap.fill(caption, max(1, (width - 2 * MARGIN) // 8))
    top = MARGIN + LINE * (caption.count("\n") + 1 if caption else 0) + GAP * bool(caption)
    top += LINE * (1 + max(title.count("\n") for title in wrapped))
    tops = top + np.cumsum([0, *(NOTE + height + GAP for height in heights)])
    height = int(tops[-1]) + foot + MARGIN - GAP
    figure = Figure((width / DPI, height / DPI), dpi=DPI)
    if caption:
        box = {"facecolor": "firebrick", "edgecolor": "none", "pad": 5} if warning else None
        color = "white" if warning else "black"
        at = (MARGIN / width, 1 - MARGIN / height)
        figure.text(*at, caption, fontsize=TITLE_SIZE, va="top", color=color, bbox=box)
    axes = np.empty((len(heights), len(titles)), dtype=object)
    for left, title in zip(lefts[:-1], wrapped, strict=True):
        figure.text(left / width, 1 - top / height, title, fontsize=TITLE_SIZE, weight="bold", va="bottom")
    for row, column in np.ndindex(axes.shape):
        bottom = 1 - (tops[row] + NOTE + heights[row]) / height
        place = (lefts[column] / width, bottom, tile / width, heights[row] / height)
        axes[row, column] = figure.add_axes(place, xticks=[], yticks=[], visible=False)
    return figure, axes


def image_height(shape: tuple[int, ...], tile: int) -> int:
    """Pixels of an image of this (H, W, ...) that is ``tile`` pixels wide."""
    return max(1, round(tile * shape[0] / shape[1]))


def show_image(axes: Axes, image: npt.NDArray[np.uint8], note: str = "") -> None:
    """An (H, W, 3) uint8 RGB image, smoothed where it is drawn smaller; a line above it."""
    _show(axes, image, note, interpolation="auto")


def show_labels(axes: Axes, colors: npt.NDArray[np.uint8], note: str = "") -> None:
    """(H, W, 3) colours of classes, every pixel drawn in one of them; a line above it."""
    _show(axes, colors, note, interpolation="nearest")


def show_values(
    axes: Axes,
    values: npt.NDArray[np.floating],
    colors: str,
    limits: tuple[float, float],
    note: str = "",
    **options: Any,
) -> AxesImage:
    """(h, w) numbers as colours, NaN in grey; returns what `add_bar` takes.

    Args:
        axes: where.
        values: the numbers; every pixel drawn is one of them.
        colors: name of a colour map of matplotlib.
        limits: numbers of its first and last colour.
        note: a line above.
        options: of `Axes.imshow`.
    """
    scale = {"cmap": matplotlib.colormaps[colors].with_extremes(bad=UNKNOWN), "vmin": limits[0], "vmax": limits[1]}
    return _show(axes, values, note, interpolation="nearest", **{**scale, **options})


def show_text(axes: Axes, text: str) -> None:
    """A line in the middle of an empty place."""
    axes.set_visible(True)
    axes.text(0.5, 0.5, text, fontsize=NOTE_SIZE, color="0.4", ha="center", va="center", transform=axes.transAxes)


def add_bar(axes: Axes, image: AxesImage, unit: str = "") -> None:
    """The colour bar of an image, to the right of the axes, with its unit."""
    assert isinstance(axes.figure, Figure)
    height = axes.get_position().height * axes.figure.get_figheight() * DPI
    bar = axes.figure.colorbar(image, cax=axes.inset_axes((1.03, 0.0, 0.05, 1.0)))
    bar.ax.locator_params(nbins=max(2, int(height // 40)))
    bar.ax.tick_params(labelsize=SMALL_SIZE)
    if unit:
        bar.set_label(unit, fontsize=SMALL_SIZE)


def _show(axes: Axes, values: npt.NDArray, note: str, **options: Any) -> AxesImage:
    axes.set_visible(True)
    assert isinstance(axes.figure, Figure)
    fitting = int(axes.get_position().width * axes.figure.get_figwidth() * DPI / 6)
    shown = note if len(note) <= fitting else f"{note[: fitting - 1]}…"
    axes.set_title(shown, fontsize=NOTE_SIZE, loc="left", pad=4, color="0.25")
    return axes.imshow(values, aspect="auto", **options)
