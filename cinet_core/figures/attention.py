"""Fig. 6: what marked pixels attend to, in networks with and without supervision of the attention."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patheffects import withStroke
from torch import Tensor

from cinet_core.data.sample import Sample
from cinet_core.figures.attention_rows import (
    attention_row,
    class_centres,
    class_name,
    ideal_row,
    pixel_at,
    position_of,
)
from cinet_core.figures.image_grid import add_bar, image_grid, image_height, show_image, show_text, show_values
from cinet_core.figures.observer import Observer, Projections, image_of, random_warning
from cinet_core.label_sets import LabelSet
from cinet_core.model.scene_understanding import ideal_attention_labels

__all__ = ["TILE", "Mark", "MarkedFrame", "Row", "attention_figure", "draw_attention", "marked_frame"]

TILE = 240
Row = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Mark:
    """A marked pixel, and what it attends to.

    Attributes:
        pixel: (u, v): its column and row in the image.
        ideal: (h, w), 1 where the class is its own, 0 where it is another, NaN where either is unknown; None where
            the frame has no labels.
        attention: (h, w) in 0..1 by the name of the network; the same networks for all marks.
        class_name: of the pixel.
    """

    pixel: tuple[int, int]
    ideal: Row | None
    attention: Mapping[str, Row]
    class_name: str = ""


@dataclass(frozen=True)
class MarkedFrame:
    """A frame with marked pixels: its name, its image (H, W, 3) uint8 RGB, the marks."""

    name: str
    image: npt.NDArray[np.uint8]
    marks: Sequence[Mark]


def draw_attention(
    observers: Sequence[Observer],
    samples: Sequence[Sample],
    label_set: LabelSet,
    caption: str = "",
    pixels: Sequence[tuple[int, int]] = (),
    marks: int = 3,
    tile: int = TILE,
) -> Figure:
    """Run the networks on the samples, and draw the `attention_figure` of marked pixels.

    Args:
        observers: the networks, each with a name of its own.
        samples: the frames.
        label_set: of their labels.
        caption: over all of it, behind a warning where weights are random.
        pixels: (u, v) to mark in every sample; empty marks one in each of its largest classes.
        marks: how many classes are marked then, at most.
        tile: width of each image, in pixels.

    Raises:
        MissingPartError: a network has no scene understanding module.
        ValueError: a pixel is outside an image; a sample has no labels to choose pixels by; there is no sample.
    """
    for observer in observers:
        observer.require_attention()
    frames = []
    for sample in samples:
        projections = {observer.name: observer.projections(sample) for observer in observers}
        labels = sample.labels if sample.has_labels else None
        frames.append(marked_frame(sample.name, image_of(sample), labels, projections, label_set, pixels, marks))
        if not frames[-1].marks:
            raise ValueError(f"{sample.name} has no labels to choose pixels by: give them with --pixels U,V")
    warning = random_warning(observers)
    return attention_figure(frames, tile, warning + caption, bool(warning))


def marked_frame(
    name: str,
    image: npt.NDArray[np.uint8],
    labels: Tensor | None,
    projections: Mapping[str, Projections],
    label_set: LabelSet,
    pixels: Sequence[tuple[int, int]] = (),
    count: int = 3,
) -> MarkedFrame:
    """Mark pixels of an image, and find what they attend to.

    Args:
        name: of the frame.
        image: (H, W, 3) uint8 RGB.
        labels: (H, W) uint8 true class ids, on the CPU; None where unknown.
        projections: queries and keys by the name of the network, whose features may differ in size.
        label_set: what the labels mean.
        pixels: (u, v) to mark; empty marks one in each of the largest classes, and none where labels are unknown.
        count: how many classes are marked then, at most.

    Raises:
        ValueError: a pixel is outside the image.
    """
    image_size, size = image.shape[:2], next(iter(projections.values())).size
    small = None if labels is None else ideal_attention_labels(labels[None], *size)[0].numpy()
    if small is not None and not pixels:
        positions = class_centres(small, len(label_set.classes), count)
        pixels = [pixel_at(position, image_size, size) for position in positions]
    marks = []
    for pixel in pixels:
        rows = {
            name: attention_row(own.query, own.key, position_of(pixel, image_size, own.size), own.size)
            for name, own in projections.items()
        }
        position = position_of(pixel, image_size, size)
        ideal = None if small is None else ideal_row(small, len(label_set.classes), position)
        marks.append(Mark(pixel, ideal, rows, "" if small is None else class_name(small, label_set, position)))
    return MarkedFrame(name, image, marks)


def attention_figure(
    frames: Sequence[MarkedFrame], tile: int = TILE, caption: str = "", warning: bool = False
) -> Figure:
    """The image with the marked pixel, its ideal row, and its predicted row by each network; a row a mark.

    All attention is drawn on one scale from 0 to 1. Positions without a class are hatched.

    Args:
        frames: at least one, with at least one mark in all.
        tile: width of each image, in pixels.
        caption: over all of it.
        warning: the caption stands on red.

    Raises:
        ValueError: there is no mark, or the marks are not of the same networks.
    """
    marked = [(frame, mark) for frame in frames for mark in frame.marks]
    if not marked:
        raise ValueError("no pixel is marked: a figure of attention needs at least one")
    names = list(marked[0][1].attention)
    for frame, mark in marked:
        if list(mark.attention) != names:
            raise ValueError(f"{frame.name} has attention of {list(mark.attention)}, the first mark of {names}")
    predicted = ["predicted attention"] if len(names) == 1 else [f"attention: {name}" for name in names]
    titles = ["marked pixel", "ideal attention", *predicted]
    heights = [image_height(frame.image.shape, tile) for frame, _ in marked]
    figure, axes = image_grid(titles, heights, tile, [len(titles) - 1], caption, warning)
    for (frame, mark), row in zip(marked, axes, strict=True):
        show_image(row[0], frame.image, ": ".join(filter(None, (frame.name, mark.class_name))))
        if mark.ideal is None:
            show_text(row[1], "no labels")
        else:
            _show_row(row[1], mark.ideal, frame)
        for place, values in zip(row[2:], mark.attention.values(), strict=True):
            image = _show_row(place, values, frame, _separation(values, mark.ideal))
        for place in row if mark.ideal is not None else (row[0], *row[2:]):
            stroke = [withStroke(linewidth=4.5, foreground="white")]
            place.plot(*mark.pixel, "+", color="red", markersize=12, markeredgewidth=2.5, path_effects=stroke)
    add_bar(axes[0, -1], image, "attention")
    return figure


def _show_row(axes: Axes, row: Row, frame: MarkedFrame, note: str = "") -> AxesImage:
    """A row of a map, (h, w) in 0..1, over the whole image's pixels, a block of one colour a position."""
    height, width = frame.image.shape[:2]
    axes.patch.set(facecolor="0.85", edgecolor="0.45", hatch="////")  # seen where nothing is drawn
    extent = (-0.5, width - 0.5, height - 0.5, -0.5)
    return show_values(axes, np.ma.masked_invalid(row), "inferno", (0.0, 1.0), note, cmap="inferno", extent=extent)


def _separation(row: Row, ideal: Row | None) -> str:
    """Mean attention to the same class and to the others: how far they are apart is what supervision is for."""
    if ideal is None or not ((ideal == 1).any() and (ideal == 0).any()):
        return ""
    return f"same class {row[ideal == 1].mean():.2f}, others {row[ideal == 0].mean():.2f}"
