"""Pictures in rows and columns, as a paper's figure has them: titles above, a line over each picture, a caption."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from cinet_core.visualize.panel import GAP, caption_bar
from cinet_core.visualize.text import FAINT, INK, Pen, Picture, blank, shortened, wrapped

TITLE_SIZE = 15
TITLE_LINE = 20
NOTE_SIZE = 12
NOTE_HEIGHT = 18
COLUMN_GAP = 6
SEPARATOR = (70, 74, 82)


@dataclass(frozen=True)
class Cell:
    """One place of a grid.

    Attributes:
        picture: (h, w, 3) uint8 RGB, no wider than its column; None leaves the place empty.
        note: a line above the picture; in the middle of an empty place.
    """

    picture: Picture | None = None
    note: str = ""


@dataclass(frozen=True)
class Column:
    """A column of a grid: the title above it, and its width in pixels."""

    title: str
    width: int


def grid(
    columns: Sequence[Column],
    rows: Sequence[Sequence[Cell]],
    below: Sequence[Picture] = (),
    caption: str = "",
    warning: bool = False,
) -> Picture:
    """Draw a grid.

    Args:
        columns: from left to right.
        rows: from above; in each a cell for every column. The highest picture decides the height of a row. A line
            parts a row from those above, unless its first place is empty: then it belongs to them.
        below: pictures under all of it, for example a legend; none wider than the columns together.
        caption: over all of it.
        warning: the caption stands on red: what is shown must not be trusted.

    Returns:
        (h, w, 3) uint8 RGB, with a margin.

    Raises:
        ValueError: no row, a row with another number of cells than columns, or a picture that is too wide.
    """
    _check(columns, rows, below)
    titles = [wrapped(column.title, TITLE_SIZE, column.width) for column in columns]
    heights = [max((cell.picture.shape[0] for cell in row if cell.picture is not None), default=0) for row in rows]
    title_height = TITLE_LINE * max(map(len, titles)) + 6
    lefts = [GAP + x for x in np.cumsum([0, *(column.width + COLUMN_GAP for column in columns)]).tolist()]
    tops = [GAP + title_height + y for y in np.cumsum([0, *(NOTE_HEIGHT + h + GAP for h in heights)]).tolist()]
    width = grid_width(columns) + 2 * GAP
    picture = blank(tops[-1] + sum(part.shape[0] + GAP for part in below), width)
    _put_pictures(picture, rows, lefts, tops)
    _put_below(picture, below, tops[-1])
    with Pen(picture) as pen:  # once for all text: each pen copies the whole picture
        for lines, left in zip(titles, lefts, strict=False):
            for number, line in enumerate(lines):
                pen.text((left, GAP + TITLE_LINE * (number + 0.5)), line, TITLE_SIZE, INK, "lm")
        for row, top, height in zip(rows, tops, heights, strict=False):
            if row[0].picture is not None:
                pen.line([(GAP, top - 4), (width - GAP, top - 4)], SEPARATOR)
            for cell, column, left in zip(row, columns, lefts, strict=False):
                note = shortened(cell.note, NOTE_SIZE, column.width)
                if cell.picture is not None:
                    pen.text((left, top + NOTE_HEIGHT / 2 - 1), note, NOTE_SIZE, FAINT, "lm")
                elif note:
                    middle = (left + column.width / 2, top + NOTE_HEIGHT + height / 2)
                    pen.text(middle, note, NOTE_SIZE, FAINT, "mm")
    return np.vstack([caption_bar(caption, width, warning), picture]) if caption else picture


def grid_width(columns: Sequence[Column]) -> int:
    """Pixels from the left of the first column to the right of the last."""
    return sum(column.width for column in columns) + COLUMN_GAP * (len(columns) - 1)


def tile_size(shape: tuple[int, ...], width: int) -> tuple[int, int]:
    """(width, height) of a picture of this (H, W, ...) at this width."""
    return width, max(1, round(width * shape[0] / shape[1]))


def image_tile(image: Picture, width: int) -> Picture:
    """(H, W, 3) uint8 RGB, resized smoothly to this width."""
    size = tile_size(image.shape, width)
    smaller = size[0] < image.shape[1]
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)


def map_tile(values: npt.NDArray, size: tuple[int, int]) -> npt.NDArray:
    """(h, w) or (h, w, 3), resized to this (width, height) by nearest: every value in it is one of the map's own."""
    return cv2.resize(values, size, interpolation=cv2.INTER_NEAREST_EXACT)


def _check(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], below: Sequence[Picture]) -> None:
    if not rows:
        raise ValueError("a grid needs at least one row")
    for row in rows:
        if len(row) != len(columns):
            raise ValueError(f"a row has {len(row)} cells, the grid {len(columns)} columns")
        for cell, column in zip(row, columns, strict=True):
            if cell.picture is not None and cell.picture.shape[1] > column.width:
                raise ValueError(
                    f"a picture is {cell.picture.shape[1]} pixels wide, its column {column.title!r} {column.width}"
                )
    for part in below:
        if part.shape[1] > grid_width(columns):
            raise ValueError(f"what goes below is {part.shape[1]} pixels wide, the grid {grid_width(columns)}")


def _put_pictures(picture: Picture, rows: Sequence[Sequence[Cell]], lefts: list[int], tops: list[int]) -> None:
    for row, top in zip(rows, tops, strict=False):
        for cell, left in zip(row, lefts, strict=False):
            if cell.picture is not None:
                height, width = cell.picture.shape[:2]
                picture[top + NOTE_HEIGHT : top + NOTE_HEIGHT + height, left : left + width] = cell.picture


def _put_below(picture: Picture, below: Sequence[Picture], top: int) -> None:
    for part in below:
        picture[top : top + part.shape[0], GAP : GAP + part.shape[1]] = part
        top += part.shape[0] + GAP
