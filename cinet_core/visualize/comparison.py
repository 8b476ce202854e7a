"""Predictions beside the truth, frame by frame (the paper's Fig. 5, 8 and 9)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from cinet_core.label_sets import UNLABELLED, LabelSet
from cinet_core.visualize.depth import colorize_depth, depth_range, depth_scale_bar
from cinet_core.visualize.grid import Cell, Column, grid, grid_width, image_tile, map_tile, tile_size
from cinet_core.visualize.labels import colorize_labels, wide_legend
from cinet_core.visualize.scale import MARGIN, SCALE_WIDTH, amount_scale_bar, colorize_amount
from cinet_core.visualize.text import Picture

Depth = npt.NDArray[np.floating]
Labels = npt.NDArray[np.integer]


@dataclass(frozen=True)
class Guess:
    """What one network says of a frame.

    Attributes:
        depth: (H, W) metres; NaN, infinite or not positive where it says nothing.
        labels: (H, W) class ids.
    """

    depth: Depth
    labels: Labels


@dataclass(frozen=True)
class ComparedFrame:
    """A row of the comparison.

    Attributes:
        name: of the frame.
        image: (H, W, 3) uint8 RGB.
        depth: (H, W) true metres, 0 where unknown; None where the frame has none.
        labels: (H, W) true class ids, 255 where unknown; None where the frame has none.
        guesses: by the name of the network; the same networks in all frames.
    """

    name: str
    image: Picture
    depth: Depth | None
    labels: Labels | None
    guesses: Mapping[str, Guess] = field(default_factory=dict)

    def depth_range(self) -> tuple[float, float]:
        """Metres that all depth pictures of this row span: those of the truth, or of all guesses where it is unknown.

        The truth's alone, so that a guess that is far off does not hide how the others differ.
        """
        if self.depth is not None and (self.depth > 0).any():
            return depth_range(self.depth)
        return depth_range(np.concatenate([guess.depth.ravel() for guess in self.guesses.values()]))


def depth_error(prediction: Depth, truth: Depth) -> Depth:
    """``|prediction - truth|``, (H, W) metres; NaN where either is unknown."""
    known = (truth > 0) & (truth < np.inf) & (prediction > 0) & (prediction < np.inf)
    return np.where(known, np.abs(np.where(known, prediction, 0) - np.where(known, truth, 0)), np.nan)


def comparison(
    frames: Sequence[ComparedFrame], label_set: LabelSet, tile: int = 240, caption: str = "", warning: bool = False
) -> Picture:
    """Input, true depth, predicted depth, its absolute error, true labels, predicted labels.

    One network takes a row a frame. Several take a column each and three rows a frame: depth, error, labels. The depth
    pictures of a frame share one scale, and so do its error pictures.

    Args:
        frames: at least one; what they hold of each other's size.
        label_set: what all labels mean.
        tile: width of each picture, in pixels.
        caption: over all of it.
        warning: the caption stands on red.

    Returns:
        (h, w, 3) uint8 RGB.

    Raises:
        ValueError: no frame, frames without the same guesses, or arrays of a frame that differ in size.
    """
    if not frames:
        raise ValueError("a comparison needs at least one frame")
    names = list(frames[0].guesses)
    for frame in frames:
        _check(frame, names)
    parts = [_FrameCells(frame, label_set, tile) for frame in frames]
    scale = Column("", SCALE_WIDTH)
    if len(names) == 1:
        titles = ["input", "true depth", "predicted depth", "", "depth error", "", "true labels", "predicted labels"]
        columns = [Column(title, tile) if title else scale for title in titles]
        rows = [cells.one_row() for cells in parts]
    else:
        columns = [*(Column(title, tile) for title in ("input", "truth", *names)), scale]
        rows = [row for cells in parts for row in cells.three_rows()]
    shown = np.concatenate([labels.ravel() for frame in frames for labels in _all_labels(frame)])
    return grid(columns, rows, [wide_legend(shown, label_set, grid_width(columns))], caption, warning)


class _FrameCells:
    """The pictures of a frame, and their order in rows."""

    def __init__(self, frame: ComparedFrame, label_set: LabelSet, tile: int) -> None:
        self._frame, self._label_set = frame, label_set
        self._size = tile_size(frame.image.shape, tile)
        self._range = frame.depth_range()
        self._several = len(frame.guesses) > 1
        guesses = list(frame.guesses.values())
        self._input = Cell(image_tile(frame.image, tile), frame.name)
        self._true_depth = Cell(note="no true depth") if frame.depth is None else self._depth(frame.depth)
        self._depths = [self._depth(guess.depth) for guess in guesses]
        self._depth_bar = Cell(depth_scale_bar(*self._range, self._bar_height))
        self._errors, self._error_bar = self._error_cells([guess.depth for guess in guesses])
        self._true_labels = Cell(note="no true labels") if frame.labels is None else self._labels(frame.labels)
        self._guessed_labels = [
            self._labels(guess.labels, _share_right(guess.labels, frame.labels)) for guess in guesses
        ]

    def one_row(self) -> list[Cell]:
        depth = [self._true_depth, *self._depths, self._depth_bar]
        return [self._input, *depth, *self._errors, self._error_bar, self._true_labels, *self._guessed_labels]

    def three_rows(self) -> list[list[Cell]]:
        rows = [[self._input, self._true_depth, *self._depths, self._depth_bar]]
        if self._frame.depth is not None:
            rows.append([Cell(), Cell(), *self._errors, self._error_bar])
        return [*rows, [Cell(), self._true_labels, *self._guessed_labels, Cell()]]

    def _depth(self, depth: Depth) -> Cell:
        return Cell(map_tile(colorize_depth(depth, *self._range), self._size), "depth" if self._several else "")

    def _labels(self, labels: Labels, right: str = "") -> Cell:
        picture = map_tile(colorize_labels(labels, self._label_set), self._size)
        return Cell(picture, ", ".join(filter(None, ("labels" if self._several else "", right))))

    def _error_cells(self, depths: Sequence[Depth]) -> tuple[list[Cell], Cell]:
        """The errors of all guesses on one scale, which ends at their 99th percentile, and that scale."""
        truth = self._frame.depth
        if truth is None:
            return [Cell()] * len(depths), Cell()
        errors = [depth_error(depth, truth) for depth in depths]
        _, most = depth_range(np.concatenate([error.ravel() for error in errors]))
        cells = []
        for error in errors:
            mean = f"mean {np.nanmean(error):.2f} m" if np.isfinite(error).any() else "nothing known"
            picture = map_tile(colorize_amount(error, most), self._size)
            cells.append(Cell(picture, f"depth error, {mean}" if self._several else mean))
        return cells, Cell(amount_scale_bar(most, self._bar_height, "m"))

    @property
    def _bar_height(self) -> int:
        return max(self._size[1], 4 * MARGIN)  # of very flat images too


def _check(frame: ComparedFrame, names: list[str]) -> None:
    if list(frame.guesses) != names or not names:
        raise ValueError(f"{frame.name} has guesses of {list(frame.guesses)}, the first of {names}: give each all")
    arrays = {"depth": frame.depth, "labels": frame.labels}
    for name, guess in frame.guesses.items():
        arrays |= {f"depth of {name}": guess.depth, f"labels of {name}": guess.labels}
    for what, values in arrays.items():
        if values is not None and values.shape != frame.image.shape[:2]:
            raise ValueError(f"{frame.name}: {what} is {values.shape}, the image {frame.image.shape[:2]}")


def _share_right(labels: Labels, truth: Labels | None) -> str:
    if truth is None or (truth == UNLABELLED).all():
        return ""
    known = truth != UNLABELLED
    return f"{(labels == truth)[known].mean():.0%} right".replace("%", " %")


def _all_labels(frame: ComparedFrame) -> list[Labels]:
    true = [] if frame.labels is None else [frame.labels]
    return true + [guess.labels for guess in frame.guesses.values()]
