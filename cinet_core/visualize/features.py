"""What sharing adds to the features of each branch (the paper's Fig. 7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from cinet_core.visualize.grid import Cell, Column, grid, image_tile, map_tile, tile_size
from cinet_core.visualize.scale import MARGIN, SCALE_WIDTH, amount_scale_bar, colorize_amount
from cinet_core.visualize.text import Picture

Reduction = Literal["magnitude", "sum"]
Features = npt.NDArray[np.floating]

REDUCTIONS: Mapping[Reduction, str] = {
    "magnitude": "mean absolute value over the channels, each map divided by its largest",
    "sum": "sum over the channels, each map stretched from its smallest (0) to its largest (1)",
}
"""How (C, h, w) features become a picture. "sum" is the paper's; in it, channels of opposite sign cancel."""


@dataclass(frozen=True)
class Shared:
    """The features of one branch around one sharing module, (C, h, w) each."""

    before: Features
    after: Features

    @property
    def added(self) -> Features:
        """What sharing adds: FSM's or LSU's term of Eq. 14."""
        return self.after - self.before


@dataclass(frozen=True)
class SharedBlock:
    """Both branches around the sharing module of one decoder block.

    Attributes:
        stride: of the features against the image: 8, 4 or 2.
    """

    stride: int
    depth: Shared
    semantic: Shared


def reduced(features: Features, reduction: Reduction) -> tuple[npt.NDArray[np.float32], str]:
    """(C, h, w) features as a map (h, w) in 0..1, and the range that it stood for, as text.

    Raises:
        ValueError: there is no such reduction.
    """
    if reduction == "magnitude":
        values = np.abs(features).mean(axis=0)
        low, high = 0.0, float(values.max())
        text = f"largest {high:.3g}"
    elif reduction == "sum":
        values = features.sum(axis=0)
        low, high = float(values.min()), float(values.max())
        text = f"{low:.3g} to {high:.3g}"
    else:
        raise ValueError(f"there is no reduction {reduction!r}: choose one of {', '.join(REDUCTIONS)}")
    return ((values - low) / ((high - low) or 1.0)).astype(np.float32), text


def features_figure(
    image: Picture,
    blocks: Mapping[str, Sequence[SharedBlock]],
    reduction: Reduction = "magnitude",
    tile: int = 160,
    caption: str = "",
    warning: bool = False,
) -> Picture:
    """For every block and branch: the input, then by network the features before sharing, those added, and the result.

    Each map has its own scale from 0 to 1; above it stands what these stand for.

    Args:
        image: (H, W, 3) uint8 RGB.
        blocks: by the name of the network; all have the same number of blocks.
        reduction: of the channels, see `REDUCTIONS`.
        tile: width of each picture, in pixels.
        caption: over all of it.
        warning: the caption stands on red.

    Returns:
        (h, w, 3) uint8 RGB.

    Raises:
        ValueError: there is no network, or they have different blocks; no such reduction.
    """
    strides = {name: [block.stride for block in own] for name, own in blocks.items()}
    if not strides or any(own != next(iter(strides.values())) for own in strides.values()):
        raise ValueError(f"blocks at strides {strides}: at least one network is needed, all with the same blocks")
    columns = [Column("input", tile)]
    for name in blocks:
        columns += [Column(f"{name}: {what}", tile) for what in ("before", "added", "after")]
    columns.append(Column("", SCALE_WIDTH))
    height = tile_size(image.shape, tile)[1]
    bar = Cell(amount_scale_bar(1.0, max(height, 4 * MARGIN)))
    rows = []
    for number, stride in enumerate(next(iter(strides.values()))):
        for branch in ("depth", "semantic"):
            cells = [Cell(image_tile(image, tile), f"block {number + 1} at 1/{stride}: {branch}")]
            for own in blocks.values():
                shared: Shared = getattr(own[number], branch)
                for features in (shared.before, shared.added, shared.after):
                    cells.append(_cell(features, reduction, (tile, height)))
            rows.append([*cells, bar])
    return grid(columns, rows, caption=caption, warning=warning)


def _cell(features: Features, reduction: Reduction, size: tuple[int, int]) -> Cell:
    values, text = reduced(features, reduction)
    return Cell(map_tile(colorize_amount(values), size), text)
