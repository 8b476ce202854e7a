"""Carries a correction into the next view: by the last corrected depth and the camera's motion."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from cinet_core.anchors.grid import Array, Grid
from cinet_core.geometry import Intrinsics, depth_edges

__all__ = ["CarriedView", "View", "carried", "view_of"]

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
        places: (N, 2) of the lattice's points, 0 to 1 over the image (`Grid.places`).
        log_predicted: (N,) ln of predicted metres; NaN where invalid.
        log_correction: (N,) what is to be added.
        usable: (N,) bool: valid, at no depth edge, no mover.
        intrinsics: of the image.
        step: pixels between neighbours of the lattice.
        shape: (rows, columns) of the lattice.
    """

    places: Array
    log_predicted: Array
    log_correction: Array
    usable: npt.NDArray[np.bool_]
    intrinsics: Intrinsics
    step: int
    shape: tuple[int, int]


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


def view_of(depth: npt.NDArray[np.floating], intrinsics: Intrinsics, excluded: npt.NDArray[np.bool_] | None) -> View:
    """A prediction on the lattice, without a correction yet.

    Args:
        depth: (H, W) predicted metres.
        intrinsics: of it.
        excluded: (h, w) bool of any resolution, where movers are.
    """
    height, width = depth.shape
    step = max(1, height // LATTICE)
    lattice = depth[step // 2 :: step, step // 2 :: step].astype(np.float64)
    rows, columns = lattice.shape
    u, v = np.meshgrid(np.arange(columns) * step + step // 2, np.arange(rows) * step + step // 2)
    places = np.stack([(u.ravel() + 0.5) / width, (v.ravel() + 0.5) / height], axis=1)
    valid = (lattice > 0) & np.isfinite(lattice)
    lattice = np.where(valid, lattice, np.nan)
    usable = valid & ~depth_edges(lattice, 0.15)
    if excluded is not None:
        row = (places[:, 1] * excluded.shape[0]).astype(np.intp)
        column = (places[:, 0] * excluded.shape[1]).astype(np.intp)
        usable &= ~excluded[row, column].reshape(rows, columns)
    return View(
        places, np.log(lattice).ravel(), np.zeros(lattice.size), usable.ravel(), intrinsics, step, (rows, columns)
    )


def carried(before: View, now: View, motion: Array, grid: Grid) -> CarriedView | None:
    """Project the points of the view before into this one; None where they share too little.

    Args:
        before: with its correction.
        now: its prediction.
        motion: (4, 4), coordinates of the camera before to those of the camera now.
        grid: of nodes in both.
    """
    k = before.intrinsics
    size = np.array([k.width, k.height])
    points = np.nonzero(before.usable)[0]
    ray = np.empty((len(points), 3))
    ray[:, :2] = (before.places[points] * size - 0.5 - (k.cx, k.cy)) / (k.fx, k.fy)
    ray[:, 2] = 1.0
    z = np.exp(before.log_predicted[points] + before.log_correction[points])
    turned = ray @ motion[:3, :3].T
    moved = turned * z[:, None] + motion[:3, 3]
    front = moved[:, 2] > 0.05
    points, z, turned, moved = points[front], z[front], turned[front], moved[front]
    new = now.intrinsics
    new_size = np.array([new.width, new.height])
    place = (moved[:, :2] / moved[:, 2:] * (new.fx, new.fy) + (new.cx, new.cy) + 0.5) / new_size
    inside = ((place > 0) & (place < 1)).all(axis=1)
    points, z, turned, moved, place = points[inside], z[inside], turned[inside], moved[inside], place[inside]
    limit = (now.shape[1] - 1, now.shape[0] - 1)
    column, row = np.minimum((place * new_size / now.step).astype(np.intp), limit).T
    there = row * now.shape[1] + column
    # Bilinear: all points move by about the same part of a step, and rounding would be an error of the whole field.
    x = (place[:, 0] * new.width - 0.5 - now.step // 2) / now.step
    y = (place[:, 1] * new.height - 0.5 - now.step // 2) / now.step
    lattice = now.log_predicted.reshape(now.shape).astype(np.float32)
    if not len(points):
        return None
    maps = x.astype(np.float32)[:, None], y.astype(np.float32)[:, None]
    log_now = cv2.remap(lattice, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    log_now = log_now.ravel().astype(np.float64)
    usable = now.usable[there] & np.isfinite(log_now)
    points, z, turned, moved, place, log_now = (
        values[usable] for values in (points, z, turned, moved, place, log_now)
    )  # fmt: skip
    if len(points) < MIN_POINTS:
        return None
    change = log_now - before.log_predicted[points] - np.log(moved[:, 2] / z)
    middle = float(np.median(change))
    spread = 1.4826 * float(np.median(np.abs(change - middle)))
    kept = np.abs(change - middle) < OUTLIER
    if kept.sum() < MIN_POINTS:
        return None
    nodes, weights = grid.weights(place[kept])
    old = before.places[points[kept]]
    gain = z[kept] * turned[kept, 2] / moved[kept, 2]
    values = np.stack([np.ones(len(old)), change[kept], *(old - place[kept]).T, gain])
    flat = nodes.ravel()
    total = np.stack([
        np.bincount(flat, (weights * value[:, None]).ravel(), minlength=grid.nodes) for value in values
    ])  # fmt: skip
    lattice_nodes, lattice_weights = grid.weights(now.places)
    full = np.bincount(lattice_nodes.ravel(), lattice_weights.ravel(), minlength=grid.nodes)
    seen = total[0] > MIN_SHARE * full
    mean = total[1:] / np.maximum(total[0], 1e-9)
    return CarriedView(seen, grid.places + mean[1:3].T, mean[0], mean[3], middle, spread)
