"""Fig. 6: what marked pixels attend to, in networks with and without supervision of the attention."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from cinet_core.data.sample import Sample
from cinet_core.figures.observer import Observer, Projections, image_of, random_warning
from cinet_core.label_sets import LabelSet
from cinet_core.model.scene_understanding import ideal_attention_labels
from cinet_core.visualize.attention import (
    Mark,
    MarkedFrame,
    attention_figure,
    attention_row,
    class_centres,
    class_name,
    ideal_row,
    pixel_at,
    position_of,
)
from cinet_core.visualize.text import Picture

TILE = 240


def draw_attention(
    observers: Sequence[Observer],
    samples: Sequence[Sample],
    label_set: LabelSet,
    caption: str = "",
    pixels: Sequence[tuple[int, int]] = (),
    marks: int = 3,
    tile: int = TILE,
) -> Picture:
    """A row a marked pixel: the image, the ideal row of the attention map, the predicted row of each network.

    Args:
        observers: the networks, each with a name of its own.
        samples: the frames.
        label_set: of their labels.
        caption: over all of it, behind a warning where weights are random.
        pixels: (u, v) to mark in every sample; empty marks one in each of its largest classes.
        marks: how many classes are marked then, at most.
        tile: width of each picture, in pixels.

    Returns:
        (h, w, 3) uint8 RGB.

    Raises:
        MissingPartError: a network has no scene understanding module.
        ValueError: a pixel is outside an image; a sample has no labels to choose pixels by; there is no sample.
    """
    for observer in observers:
        observer.require_attention()
    frames = [_frame(observers, sample, label_set, pixels, marks) for sample in samples]
    warning = random_warning(observers)
    return attention_figure(frames, tile, warning + caption, bool(warning))


def _frame(
    observers: Sequence[Observer],
    sample: Sample,
    label_set: LabelSet,
    pixels: Sequence[tuple[int, int]],
    count: int,
) -> MarkedFrame:
    width, height = sample.size
    projections = {observer.name: observer.projections(sample) for observer in observers}
    if not pixels:
        size = next(iter(projections.values())).size
        positions = class_centres(_labels(sample, size), len(label_set.classes), count)
        if not positions:
            raise ValueError(f"{sample.name} has no labels to choose pixels by: give them with --pixels U,V")
        pixels = [pixel_at(position, (height, width), size) for position in positions]
    marks = [_mark(pixel, sample, projections, label_set) for pixel in pixels]
    return MarkedFrame(sample.name, image_of(sample), marks)


def _mark(pixel: tuple[int, int], sample: Sample, projections: dict[str, Projections], label_set: LabelSet) -> Mark:
    """The rows of one pixel. Networks may differ in the size of their features: each gets its own position."""
    image_size = (sample.size[1], sample.size[0])
    rows = {
        name: attention_row(own.query, own.key, position_of(pixel, image_size, own.size), own.size)
        for name, own in projections.items()
    }
    if not sample.has_labels:
        return Mark(pixel, None, rows)
    size = next(iter(projections.values())).size
    labels, position = _labels(sample, size), position_of(pixel, image_size, size)
    ideal = ideal_row(labels, len(label_set.classes), position)
    return Mark(pixel, ideal, rows, class_name(labels, label_set, position))


def _labels(sample: Sample, size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """(h, w) labels of the feature positions, as the attention loss has them."""
    return ideal_attention_labels(sample.labels[None], *size)[0].numpy()
