"""Carries a correction into the next view: by the last corrected depth and the camera's motion."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from cinet_core.anchors.grid import Array, Grid
from cinet_core.anchors.lattice import Lattice
from cinet_core.geometry import Intrinsics, depth_edges

__all__ = ["CarriedView", "View", "carried", "median_of", "view_of"]

LATTICE = 40
"""Rows, about, of the lattice of pixels by which a view is carried."""

OUTLIER = 0.25
"""Points whose unexplained change of ln depth is farther than this from the median have been covered, or moved."""

MIN_SHARE = 0.25
"""A node is carried where at least this part of the points around it are seen again."""

MIN_POINTS = 40
"""With fewer points in view the two views have nothing in common."""


@dataclass(frozen=True, eq=False)
class View:
    """A view on a lattice of every so-manieth pixel.

    Attributes:
        lattice: its points, N = rows times columns.
        log_predicted: (N,) ln of predicted metres; NaN where invalid.
        log_correction: (N,) what is to be added.
        usable: (N,) bool: valid, at no depth edge, no mover.
        intrinsics: of the image.
    """

    lattice: Lattice
    log_predicted: Array
    log_correction: Array
    usable: npt.NDArray[np.bool_]
    intrinsics: Intrinsics

    def mean_logs(self) -> Array:
        """(nodes,) mean ln of predicted metres around each node; that of the image where there is none."""
        valid = np.isfinite(self.log_predicted)
        whole = valid.all()
        if not (whole or valid.any()):
            return np.full(self.lattice.grid.nodes, np.nan)
        values = self.log_predicted if whole else np.where(valid, self.log_predicted, 0.0)
        shape = self.lattice.shape
        counts = self.lattice.shares if whole else self.lattice.spread(valid.reshape(shape).astype(np.float64))
        sums = self.lattice.spread(values.reshape(shape))
        return np.where(counts > 1e-6, sums / np.maximum(counts, 1e-6), values.sum() / valid.sum())


@dataclass(frozen=True, eq=False)
class CarriedView:
    """Where the nodes of the grid lay in the view before, and how the prediction changed without the motion's doing.

    Attributes:
        seen: (nodes,) bool: enough points around the node were in view before.
        places: (nodes, 2) in the view before.
        change: (nodes,) unexplained change of ln predicted depth, ``ln(d' / d) - ln(z' / z)``.
        gain: (nodes,) change of ln depth in this view by a change of it in the one before: 1 without forward motion.
        scale_change: median of the change over all points.
        spread: robust standard deviation of the change around it.
    """

    seen: npt.NDArray[np.bool_]
    places: Array
    change: Array
    gain: Array
    scale_change: float
    spread: float


def view_of(
    depth: npt.NDArray[np.floating], intrinsics: Intrinsics, excluded: npt.NDArray[np.bool_] | None, grid: Grid
) -> View:
    """A prediction on the lattice, without a correction yet.

    Args:
        depth: (H, W) predicted metres.
        intrinsics: of it.
        excluded: (h, w) bool of any resolution, where movers are.
        grid: of the field.
    """
    height, width = depth.shape
    step = max(1, height // LATTICE)
    lattice = Lattice.of(width, height, step, grid)
    values = depth[step // 2 :: step, step // 2 :: step].astype(np.float64)
    valid = (values > 0) & np.isfinite(values)
    values[~valid] = np.nan
    usable = valid & ~depth_edges(values, 0.15)
    if excluded is not None:
        x, y = lattice.places.T
        row, column = (y * excluded.shape[0]).astype(np.intp), (x * excluded.shape[1]).astype(np.intp)
        usable &= ~excluded[row, column].reshape(lattice.shape)
    return View(lattice, np.log(values).ravel(), np.zeros(values.size), usable.ravel(), intrinsics)


def carried(before: View, now: View, motion: Array, grid: Grid) -> CarriedView | None:
    """Project the points of the view before into this one; None where they share too little.

    Args:
        before: with its correction.
        now: its prediction.
        motion: (4, 4), coordinates of the camera before to those of the camera now.
        grid: of nodes in both.
    """
    old, new, there = before.lattice, now.lattice, now.intrinsics
    points = np.flatnonzero(before.usable)
    z = np.exp(before.log_predicted[points] + before.log_correction[points])
    turned = motion[:3, :3] @ old.rays(before.intrinsics)[:, points]
    moved = turned * z
    moved += motion[:3, 3:]
    ahead = np.maximum(moved[2], 0.05)
    # In pixels of this image, its upper left corner at 0.
    x = moved[0] * there.fx / ahead + (there.cx + 0.5)
    y = moved[1] * there.fy / ahead + (there.cy + 0.5)
    inside = (moved[2] > 0.05) & (x > 0) & (x < there.width) & (y > 0) & (y < there.height)
    points, z, x, y = points[inside], z[inside], x[inside], y[inside]
    if len(points) < MIN_POINTS:
        return None
    rows, columns = new.shape
    column = np.minimum((x / new.step).astype(np.intp), columns - 1)
    row = np.minimum((y / new.step).astype(np.intp), rows - 1)
    # Bilinear: all points move by about the same part of a step, and rounding would be an error of the whole field.
    first = 0.5 + new.step // 2
    across, down = (((value - first) / new.step).astype(np.float32)[:, None] for value in (x, y))
    table = now.log_predicted.reshape(new.shape).astype(np.float32)
    looked_up = cv2.remap(table, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    log_now = looked_up.ravel().astype(np.float64)
    usable = now.usable[row * columns + column] & np.isfinite(log_now)
    ratio = moved[2, inside] / z
    change = np.where(usable, log_now - before.log_predicted[points] - np.log(ratio), np.nan)
    known = change[usable]
    if len(known) < MIN_POINTS:
        return None
    middle = median_of(known)
    spread = 1.4826 * median_of(np.abs(known - middle))
    kept = np.abs(change - middle) < OUTLIER  # not where it is NaN
    if kept.sum() < MIN_POINTS:
        return None
    points = points[kept]
    place = np.stack([x[kept] / there.width, y[kept] / there.height], axis=1)
    values = np.empty((5, len(points)))
    values[0], values[1] = 1.0, change[kept]
    values[2:4] = (old.places[points] - place).T
    values[4] = turned[2, inside][kept] / ratio[kept]
    total = grid.sums(place, values)
    seen = total[0] > MIN_SHARE * new.shares
    mean = total[1:] / np.maximum(total[0], 1e-9)
    return CarriedView(seen, grid.places + mean[1:3].T, mean[0], mean[3], middle, spread)


def median_of(values: Array) -> float:
    """The median of (N,) finite values, N above 0: without what `numpy.median` does for other axes and for NaN."""
    half = len(values) // 2
    if len(values) % 2:
        return float(np.partition(values, half)[half])
    parted = np.partition(values, (half - 1, half))
    return 0.5 * float(parted[half - 1] + parted[half])
