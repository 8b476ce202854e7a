"""Glass and mirrors: their depth is that of what is seen through them or in them, so it is replaced or left out."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from cinet_core.obstacles.class_groups import ClassGroups
from cinet_core.obstacles.pixel_grid import PixelGrid
from cinet_core.obstacles.settings import ObstacleSettings

__all__ = ["settle_glass"]

MAX_PANES = 16
"""The largest are looked at: an image with more is not one of panes, but of mistaken labels."""

MIN_PANE = 12
"""Pixels: smaller ones keep their depth."""

MIN_FRAME = 12
"""Pixels around a pane whose depth is known: fewer do not tell where it is."""

FRAME_WIDTH = 3
"""Pixels around a pane that its place is read from."""

SAME_PLANE = 0.1
"""Share by which the frame's inverse depths may be off their plane: others are of things in front or behind."""


def settle_glass(grid: PixelGrid, groups: ClassGroups, settings: ObstacleSettings) -> PixelGrid:
    """Return the grid with the depth of glass as ``settings.glass`` says.

    "drop" makes it unknown. "frame" puts each connected pane on the plane of what surrounds it: a plane's inverse
    depth is linear in the pixels, so it is fitted to the inverse depths of a border around the pane, twice, the
    second time without those that are far off. Depths stay within those of the border, and where a pane is measured
    to be nearer it stays nearer. A pane whose border is not known keeps its depth.
    """
    if settings.glass == "measured" or not groups.glass.any():
        return grid
    is_glass = groups.pick(groups.glass, grid.labels).view(np.uint8)
    if not is_glass.any():
        return grid
    if settings.glass == "drop":
        return grid.with_depth(np.where(is_glass > 0, np.float32(np.inf), grid.depth))
    left, top, width, height = cv2.boundingRect(is_glass)
    margin = FRAME_WIDTH
    window = (slice(max(top - margin, 0), top + height + margin), slice(max(left - margin, 0), left + width + margin))
    depth = grid.depth.copy()
    _settle_panes(depth[window], is_glass[window])
    return grid.with_depth(depth)


def _settle_panes(depth: npt.NDArray[np.float32], is_glass: npt.NDArray[np.uint8]) -> None:
    """Put each pane where its border is, in place."""
    _, panes, boxes, _ = cv2.connectedComponentsWithStats(is_glass, connectivity=8, ltype=cv2.CV_16U)
    largest = 1 + np.argsort(-boxes[1:, cv2.CC_STAT_AREA], kind="stable")[:MAX_PANES]
    for number in largest.tolist():
        left, top, width, height, area = boxes[number].tolist()
        if area < MIN_PANE:
            break
        window = (
            slice(max(top - FRAME_WIDTH, 0), top + height + FRAME_WIDTH),
            slice(max(left - FRAME_WIDTH, 0), left + width + FRAME_WIDTH),
        )
        _settle_pane(depth[window], is_glass[window] > 0, panes[window] == number)


def _settle_pane(depth: npt.NDArray[np.float32], is_glass: npt.NDArray[np.bool_], pane: npt.NDArray[np.bool_]) -> None:
    """Put a pane where its border is, in place."""
    kernel = np.ones((2 * FRAME_WIDTH + 1, 2 * FRAME_WIDTH + 1), np.uint8)
    border = (cv2.dilate(pane.view(np.uint8), kernel) > 0) & ~is_glass & (depth < np.inf)
    row, column = np.nonzero(border)
    if len(row) < MIN_FRAME:
        return
    inverse = 1.0 / depth[border].astype(np.float64)
    terms = np.column_stack([column, row, np.ones(len(row))])
    middle = float(np.median(inverse))
    # To begin with, what is near the median: a border half of which is a far room would draw the plane there.
    near = np.abs(inverse - middle) <= 3.0 * SAME_PLANE * middle
    for _ in range(2):
        if near.sum() < MIN_FRAME:
            return
        chosen = terms[near]
        try:
            plane = np.linalg.solve(chosen.T @ chosen, chosen.T @ inverse[near])
        except np.linalg.LinAlgError:  # of a border that is one line
            return
        near = np.abs(terms @ plane - inverse) <= SAME_PLANE * inverse
    if near.sum() < MIN_FRAME:
        return
    low, high = inverse[near].min(), inverse[near].max()
    rows, columns = np.nonzero(pane)
    placed = np.clip(plane[0] * columns + plane[1] * rows + plane[2], low, high)
    depth[pane] = np.minimum(depth[pane], (1.0 / placed).astype(np.float32))
