"""Rows of attention maps: what marked pixels attend to, beside what they should attend to (the paper's Fig. 6).

The whole N x N map is never made: a marked pixel costs one query times all keys.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from cinet_core.label_sets import LabelSet
from cinet_core.visualize.grid import Cell, Column, grid, image_tile, map_tile, tile_size
from cinet_core.visualize.scale import INVALID_COLOR, MARGIN, SCALE_WIDTH, amount_scale_bar, colorize_amount
from cinet_core.visualize.text import Color, Pen, Picture

MARK: Color = (235, 32, 32)
MARK_EDGE: Color = (255, 255, 255)
HATCH: Color = (112, 112, 112)
HATCH_SPACING = 6
LEAST_SHARE = 0.02
"""Of the positions of a frame: classes below it are too small to be marked unasked."""


@dataclass(frozen=True)
class Mark:
    """A marked pixel, and what it attends to.

    Attributes:
        pixel: (u, v): its column and row in the image.
        ideal: (h, w), 1 where the class is its own, 0 where it is another, NaN where either is unknown; None where
            the frame has no labels.
        attention: (h, w) in 0..1 by the name of the network; the same networks for all marks.
        class_name: of the pixel, for the picture.
    """

    pixel: tuple[int, int]
    ideal: npt.NDArray[np.floating] | None
    attention: Mapping[str, npt.NDArray[np.floating]]
    class_name: str = ""


@dataclass(frozen=True)
class MarkedFrame:
    """A frame with marked pixels: its name, its image (H, W, 3) uint8 RGB, the marks."""

    name: str
    image: Picture
    marks: Sequence[Mark]


def position_of(pixel: tuple[int, int], image_size: tuple[int, int], feature_size: tuple[int, int]) -> int:
    """Index in 0..h*w-1 of the feature position that a pixel lies in.

    Args:
        pixel: (u, v), column and row.
        image_size: (H, W) of the image.
        feature_size: (h, w) of the features.

    Raises:
        ValueError: the pixel is outside the image.
    """
    (u, v), (height, width), (h, w) = pixel, image_size, feature_size
    if not (0 <= u < width and 0 <= v < height):
        raise ValueError(f"pixel {u},{v} is outside the image: u goes from 0 to {width - 1}, v from 0 to {height - 1}")
    return int((v + 0.5) * h / height) * w + int((u + 0.5) * w / width)


def pixel_at(position: int, image_size: tuple[int, int], feature_size: tuple[int, int]) -> tuple[int, int]:
    """(u, v) of the pixel in the middle of a feature position: the inverse of `position_of`."""
    (height, width), (h, w) = image_size, feature_size
    row, column = divmod(position, w)
    return int((column + 0.5) * width / w), int((row + 0.5) * height / h)


def class_centres(labels: npt.NDArray[np.integer], num_classes: int, count: int) -> list[int]:
    """Positions worth marking: one in each of the largest classes, as deep inside it as there is one.

    Args:
        labels: (h, w) class ids at the size of the features; those outside 0..num_classes-1 are void.
        num_classes: C.
        count: of positions, at most.

    Returns:
        Indices in 0..h*w-1, the largest class first; classes that fill less than 2 % are left out, except where
        there is no other. Empty where all is void.
    """
    sizes = np.bincount(np.where(_known(labels, num_classes), labels, num_classes).ravel())[:num_classes]
    order = [int(class_id) for class_id in np.argsort(-sizes, kind="stable") if sizes[class_id]]
    large = [class_id for class_id in order if sizes[class_id] >= LEAST_SHARE * labels.size] or order[:1]
    return [_deepest(labels == class_id) for class_id in large[:count]]


def ideal_row(labels: npt.NDArray[np.integer], num_classes: int, position: int) -> npt.NDArray[np.float32]:
    """The row of the ideal map (Eq. 3) for one position.

    Args:
        labels: (h, w) class ids at the size of the features; those outside 0..num_classes-1 are void.
        num_classes: C.
        position: index in 0..h*w-1.

    Returns:
        (h, w): 1 where the class is that of the position, 0 where it is another, NaN for pairs that touch a void
        position, which the attention loss leaves out.
    """
    own = labels.ravel()[position]
    row = (labels == own).astype(np.float32)
    row[~_known(labels, num_classes) | ~_known(own, num_classes)] = np.nan
    return row


def attention_row(
    query: npt.NDArray[np.floating], key: npt.NDArray[np.floating], position: int, feature_size: tuple[int, int]
) -> npt.NDArray[np.float32]:
    """The row of the predicted map, sigmoid(q K^T) (Eq. 1), for one position.

    Args:
        query: (N, Cq), already scaled, as `CINetOutput.query` is.
        key: (N, Cq).
        position: index in 0..N-1.
        feature_size: (h, w), N = h * w.

    Returns:
        (h, w) in 0..1.

    Raises:
        ValueError: query, key and size do not describe the same positions.
    """
    if query.shape != key.shape or len(query) != feature_size[0] * feature_size[1]:
        raise ValueError(
            f"query {query.shape} and key {key.shape} do not fit features of {feature_size[0]}x{feature_size[1]}"
        )
    logits = key.astype(np.float32) @ query[position].astype(np.float32)
    return np.exp(-np.logaddexp(0.0, -logits)).astype(np.float32).reshape(feature_size)


def colorize_attention(row: npt.NDArray[np.floating], size: tuple[int, int]) -> Picture:
    """A row of a map, (h, w) in 0..1, as a picture of this (width, height).

    Each position is a block of one colour, black for 0; what is NaN is hatched grey.
    """
    picture = map_tile(colorize_amount(row), size)
    unknown = map_tile(np.isnan(row).astype(np.uint8), size) > 0
    rows, columns = np.indices(unknown.shape)
    stripe = (rows + columns) % HATCH_SPACING == 0
    picture[unknown] = INVALID_COLOR
    picture[unknown & stripe] = HATCH
    return picture


def attention_figure(
    frames: Sequence[MarkedFrame], tile: int = 240, caption: str = "", warning: bool = False
) -> Picture:
    """The image with the marked pixel, its ideal row, and its predicted row by each network; a row a mark.

    Args:
        frames: at least one, with at least one mark in all.
        tile: width of each picture, in pixels.
        caption: over all of it.
        warning: the caption stands on red.

    Returns:
        (h, w, 3) uint8 RGB; all attention is drawn on one scale from 0 to 1.

    Raises:
        ValueError: there is no mark, or the marks are not of the same networks.
    """
    marked = [(frame, mark) for frame in frames for mark in frame.marks]
    if not marked:
        raise ValueError("no pixel is marked: a picture of attention needs at least one")
    names = list(marked[0][1].attention)
    for frame, mark in marked:
        if list(mark.attention) != names:
            raise ValueError(f"{frame.name} has attention of {list(mark.attention)}, the first mark of {names}")
    titles = ["marked pixel", "ideal attention", *(_title(name, names) for name in names)]
    columns = [*(Column(title, tile) for title in titles), Column("", SCALE_WIDTH)]
    return grid(columns, [_row(frame, mark, tile) for frame, mark in marked], caption=caption, warning=warning)


def class_name(labels: npt.NDArray[np.integer], label_set: LabelSet, position: int) -> str:
    """Name of the class at a position of (h, w) labels; "unlabelled" where it has none."""
    class_id = int(labels.ravel()[position])
    return label_set.classes[class_id] if 0 <= class_id < len(label_set.classes) else "unlabelled"


def _title(name: str, names: list[str]) -> str:
    return "predicted attention" if len(names) == 1 else f"attention: {name}"


def _row(frame: MarkedFrame, mark: Mark, tile: int) -> list[Cell]:
    size = tile_size(frame.image.shape, tile)
    at = tuple((place + 0.5) * tile / frame.image.shape[1] for place in mark.pixel)
    cells = [Cell(_marked(image_tile(frame.image, tile), at), ": ".join(filter(None, (frame.name, mark.class_name))))]
    if mark.ideal is None:
        cells.append(Cell(note="no labels"))
    else:
        cells.append(Cell(_marked(colorize_attention(mark.ideal, size), at)))
    for row in mark.attention.values():
        cells.append(Cell(_marked(colorize_attention(row, size), at), _separation(row, mark.ideal)))
    return [*cells, Cell(amount_scale_bar(1.0, max(size[1], 4 * MARGIN)))]


def _separation(row: npt.NDArray[np.floating], ideal: npt.NDArray[np.floating] | None) -> str:
    """Mean attention to the same class and to the others: how far they are apart is what supervision is for."""
    if ideal is None or not ((ideal == 1).any() and (ideal == 0).any()):
        return ""
    return f"same class {row[ideal == 1].mean():.2f}, others {row[ideal == 0].mean():.2f}"


def _marked(picture: Picture, at: tuple[float, ...]) -> Picture:
    """The picture with a plus sign at (x, y)."""
    x, y = at
    marked = picture.copy()
    with Pen(marked) as pen:
        for arm, width, color in ((9, 5, MARK_EDGE), (8, 3, MARK)):
            pen.line([(x - arm, y), (x + arm, y)], color, width)
            pen.line([(x, y - arm), (x, y + arm)], color, width)
    return marked


def _known(labels: npt.NDArray[np.integer], num_classes: int) -> npt.NDArray[np.bool_]:
    return (labels >= 0) & (labels < num_classes)


def _deepest(members: npt.NDArray[np.bool_]) -> int:
    """Index of the member that is farthest from what is none; the border of the picture counts as none."""
    padded = np.pad(members, 1).astype(np.uint8)
    return int(cv2.distanceTransform(padded, cv2.DIST_L2, 5)[1:-1, 1:-1].argmax())
