"""Predictions beside the truth, frame by frame (the paper's Fig. 5, 8 and 9)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from cinet_core.data.sample import Sample
from cinet_core.figures.image_grid import (
    LINE,
    SMALL_SIZE,
    Axeses,
    add_bar,
    image_grid,
    image_height,
    show_image,
    show_labels,
    show_text,
    show_values,
)
from cinet_core.figures.observer import Observer, image_of, random_warning
from cinet_core.label_sets import UNLABELLED, LabelSet
from cinet_core.visualize.depth import depth_range
from cinet_core.visualize.labels import colorize_labels

__all__ = [
    "ONE_NETWORK",
    "TILE",
    "ComparedFrame",
    "Depth",
    "Labels",
    "PredictedMaps",
    "comparison",
    "depth_error",
    "draw_panels",
]

TILE = 240
ONE_NETWORK = ("input", "true depth", "predicted depth", "depth error", "true labels", "predicted labels")
LEGEND_ENTRY = 135
"""Pixels that a class takes in the legend."""

Depth = npt.NDArray[np.floating]
Labels = npt.NDArray[np.integer]


@dataclass(frozen=True)
class PredictedMaps:
    """What one network says of a frame.

    Attributes:
        depth: (H, W) metres; NaN, infinite or not positive where it says nothing.
        labels: (H, W) class ids.
    """

    depth: Depth
    labels: Labels


@dataclass(frozen=True)
class ComparedFrame:
    """A frame of the comparison.

    Attributes:
        name: of the frame.
        image: (H, W, 3) uint8 RGB.
        depth: (H, W) true metres, 0 where unknown; None where the frame has none.
        labels: (H, W) true class ids, 255 where unknown; None where the frame has none.
        predictions: by the name of the network; the same networks in all frames.
    """

    name: str
    image: npt.NDArray[np.uint8]
    depth: Depth | None
    labels: Labels | None
    predictions: Mapping[str, PredictedMaps] = field(default_factory=dict)

    def depth_range(self) -> tuple[float, float]:
        """Metres that all depth images of this frame span: those of the truth, or of all guesses where it is unknown.

        The truth's alone, so that a guess that is far off does not hide how the others differ.
        """
        if self.depth is not None and (self.depth > 0).any():
            return depth_range(self.depth)
        return depth_range(np.concatenate([predicted.depth.ravel() for predicted in self.predictions.values()]))


def draw_panels(
    observers: Sequence[Observer], samples: Sequence[Sample], label_set: LabelSet, caption: str = "", tile: int = TILE
) -> Figure:
    """Predict the samples with each network, and draw the `comparison`.

    Args:
        observers: the networks, each with a name of its own; all predict this label set.
        samples: the frames.
        label_set: of samples and networks.
        caption: over all of it, behind a warning where weights are random.
        tile: width of each image, in pixels.

    Raises:
        ValueError: there is no sample, or no network.
    """
    frames = [
        ComparedFrame(
            sample.name,
            image_of(sample),
            sample.depth.numpy() if sample.has_depth else None,
            sample.labels.numpy() if sample.has_labels else None,
            {observer.name: _predicted_maps(observer, sample) for observer in observers},
        )
        for sample in samples
    ]
    warning = random_warning(observers)
    return comparison(frames, label_set, tile, warning + caption, bool(warning))


def comparison(
    frames: Sequence[ComparedFrame], label_set: LabelSet, tile: int = TILE, caption: str = "", warning: bool = False
) -> Figure:
    """Input, true depth, predicted depth, its absolute error, true labels, predicted labels.

    One network takes a row a frame. Several take a column each and three rows a frame: depth, error, labels. The depth
    images of a frame share one scale, and so do its error images.

    Args:
        frames: at least one; what they hold of each other's size.
        label_set: what all labels mean.
        tile: width of each image, in pixels.
        caption: over all of it.
        warning: the caption stands on red.

    Raises:
        ValueError: no frame, frames without the same guesses, or arrays of a frame that differ in size.
    """
    if not frames:
        raise ValueError("a comparison needs at least one frame")
    names = list(frames[0].predictions)
    for frame in frames:
        _check(frame, names)
    several = len(names) > 1
    if several:
        titles, bars = ["input", "truth", *names], [len(names) + 1]
    else:
        titles, bars = [*ONE_NETWORK], [2, 3]
    heights = [image_height(frame.image.shape, tile) for frame in frames for _ in range(_rows(frame))]
    handles = _legend(frames, label_set)
    entries = max(1, len(titles) * tile // LEGEND_ENTRY)
    foot = LINE * -(-len(handles) // entries) + LINE
    figure, axes = image_grid(titles, heights, tile, bars, caption, warning, foot)
    rows = iter(axes)
    for frame in frames:
        own = [next(rows) for _ in range(_rows(frame))]
        if several:
            errors = own[1][2:] if frame.depth is not None else ()
            places = _Places(own[0][0], own[0][1], own[0][2:], errors, own[-1][1], own[-1][2:])
        else:
            (row,) = own
            places = _Places(row[0], row[1], row[2:3], row[3:4], row[4], row[5:6])
        _draw(frame, places, label_set)
    figure.legend(handles=handles, loc="lower left", ncols=entries, fontsize=SMALL_SIZE, frameon=False)
    return figure


def depth_error(prediction: Depth, truth: Depth) -> Depth:
    """``|prediction - truth|``, (H, W) metres; NaN where either is unknown."""
    return np.abs(_known(prediction) - _known(truth))


@dataclass(frozen=True)
class _Places:
    """Axes of what is drawn of a frame; those of each network are in its order."""

    image: Axes
    true_depth: Axes
    depths: Axeses
    errors: Sequence[Axes] | Axeses
    true_labels: Axes
    labels: Axeses


def _draw(frame: ComparedFrame, places: _Places, label_set: LabelSet) -> None:
    several = len(frame.predictions) > 1
    show_image(places.image, frame.image, frame.name)
    limits = frame.depth_range()
    if frame.depth is None:
        show_text(places.true_depth, "no true depth")
    else:
        show_values(places.true_depth, _known(frame.depth), "viridis_r", limits, "depth" if several else "")
    for axes, predicted in zip(places.depths, frame.predictions.values(), strict=True):
        image = show_values(axes, _known(predicted.depth), "viridis_r", limits, "depth" if several else "")
    add_bar(axes, image, "depth [m]")
    if frame.depth is not None:
        _draw_errors(
            [depth_error(predicted.depth, frame.depth) for predicted in frame.predictions.values()], places.errors
        )
    if frame.labels is None:
        show_text(places.true_labels, "no true labels")
    else:
        show_labels(places.true_labels, colorize_labels(frame.labels, label_set), "labels" if several else "")
    for axes, predicted in zip(places.labels, frame.predictions.values(), strict=True):
        note = ", ".join(filter(None, ("labels" if several else "", _share_right(predicted.labels, frame.labels))))
        show_labels(axes, colorize_labels(predicted.labels, label_set), note)


def _draw_errors(errors: Sequence[Depth], places: Sequence[Axes] | Axeses) -> None:
    """All on one scale, which ends at their 99th percentile."""
    _, most = depth_range(np.concatenate([error.ravel() for error in errors]))
    for axes, error in zip(places, errors, strict=True):
        mean = f"mean error {np.nanmean(error):.2f} m" if np.isfinite(error).any() else "nothing known"
        image = show_values(axes, error, "inferno", (0.0, most), mean)
    add_bar(axes, image, "error [m]")


def _rows(frame: ComparedFrame) -> int:
    """How many rows of the grid the frame takes."""
    if len(frame.predictions) == 1:
        return 1
    return 2 if frame.depth is None else 3


def _predicted_maps(observer: Observer, sample: Sample) -> PredictedMaps:
    prediction = observer.predict(sample)
    return PredictedMaps(prediction.depth, prediction.labels)


def _known(depth: Depth) -> Depth:
    """The depth with NaN where it says nothing."""
    return np.where((depth > 0) & (depth < np.inf), depth, np.nan)


def _check(frame: ComparedFrame, names: list[str]) -> None:
    if list(frame.predictions) != names or not names:
        raise ValueError(f"{frame.name} has guesses of {list(frame.predictions)}, the first of {names}: give each all")
    arrays = {"depth": frame.depth, "labels": frame.labels}
    for name, predicted in frame.predictions.items():
        arrays |= {f"depth of {name}": predicted.depth, f"labels of {name}": predicted.labels}
    for what, values in arrays.items():
        if values is not None and values.shape != frame.image.shape[:2]:
            raise ValueError(f"{frame.name}: {what} is {values.shape}, the image {frame.image.shape[:2]}")


def _share_right(labels: Labels, truth: Labels | None) -> str:
    if truth is None or (truth == UNLABELLED).all():
        return ""
    known = truth != UNLABELLED
    return f"{(labels == truth)[known].mean():.0%} right".replace("%", " %")


def _legend(frames: Sequence[ComparedFrame], label_set: LabelSet) -> list[Patch]:
    """The classes of all labels, the most frequent first, and what has none."""
    shown = [predicted.labels for frame in frames for predicted in frame.predictions.values()]
    shown += [frame.labels for frame in frames if frame.labels is not None]
    ids, counts = np.unique(np.concatenate([labels.ravel() for labels in shown]), return_counts=True)
    known = (ids >= 0) & (ids < len(label_set.classes))
    order = ids[known][np.argsort(-counts[known], kind="stable")]
    entries = [(label_set.classes[number], label_set.colors[number]) for number in order]
    if not known.all():
        entries.append(("unlabelled", np.zeros(3)))
    return [Patch(facecolor=color / 255, edgecolor="0.4", label=name) for name, color in entries]
