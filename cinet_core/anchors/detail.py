"""Detail of a correction around exact measurements: what the coarse grid cannot hold, and not across depth edges.

Residuals of points are averaged with Gaussian weights over the image and over ln predicted depth (a bilateral grid:
Chen, Paris and Durand, SIGGRAPH 2007), against a prior of no detail::

    d(x) = sum_i k(x, x_i) r_i / v_i / (sum_i k(x, x_i) / v_i + 1 / s^2),

so that a point far from all others is shrunk, and one surface's residual does not spill over its contour onto another.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from cinet_core.anchors.grid import Array

__all__ = ["detail_image"]

CELL = 4
"""Pixels of a depth image 320 wide: side of a cell."""

BIN = 0.08
"""ln depth from one layer to the next."""

MAX_BINS = 32

FADE = 2
"""Layers beyond those that hold points, over which detail falls to 0."""

MAX_TABLE = 512
"""Rows of a look-up table at once: such a one stays in the cache, and OpenCV takes no more than 32766."""

REACH = 0.4
"""Standard deviation of the weights over the image, in mean distances between points."""

_CORNERS = (np.arange(8) >> np.arange(3)[:, None] & 1)[:, :, None]
"""(3, 8, 1) steps to the corners of a cell."""


def detail_image(
    log_depth: npt.NDArray[np.float32], places: Array, log_at: Array, residual: Array, variance: Array, sigma: float
) -> npt.NDArray[np.float32]:
    """The correction of detail, ln, (H, W) float32; 0 far from all points and where depth is invalid.

    Args:
        log_depth: (H, W) ln predicted metres; NaN where invalid.
        places: (N, 2) of the points, 0 to 1 over the image.
        log_at: (N,) ln predicted metres that the residuals refer to.
        residual: (N,) ln of measured depth by depth that is corrected but for detail.
        variance: (N,) of it.
        sigma: standard deviation of detail before it is measured.
    """
    height, width = log_depth.shape
    low, high = float(log_at.min()) - BIN, float(log_at.max()) + BIN
    bins = min(MAX_BINS, max(2, math.ceil((high - low) / BIN) + 1))
    thickness = (high - low) / (bins - 1)
    cell = CELL * width / 320.0
    columns, rows = math.ceil(width / cell) + 1, math.ceil(height / cell) + 1
    # Linear splatting into the eight cells around each point.
    exact = np.stack([
        places[:, 0] * width / cell, places[:, 1] * height / cell, (log_at - low) / thickness
    ])  # fmt: skip
    base = np.minimum(exact.astype(np.intp), [[columns - 2], [rows - 2], [bins - 2]])
    part = exact - base
    column, row, layer = base[:, None] + _CORNERS
    weight = np.where(_CORNERS, part[:, None], 1.0 - part[:, None]).prod(axis=0) / variance
    index = ((row * columns + column) * bins + layer).ravel()
    total = np.zeros((2, rows * columns * bins), dtype=np.float32)
    np.add.at(total[0], index, (weight * residual).astype(np.float32).ravel())
    np.add.at(total[1], index, weight.astype(np.float32).ravel())
    spacing = math.sqrt(width * height / len(residual)) / cell
    blur = min(max(REACH * spacing, 0.7), 3.5)
    summed, weights = (cv2.GaussianBlur(one, (0, 0), blur) for one in total.reshape(2, rows, columns, bins))
    # A Gaussian of unit sum has its peak at 1 / (2 pi blur^2): the weight of a point upon itself must be 1.
    peak = 2.0 * math.pi * blur**2
    weights += np.float32(1.0 / (sigma**2 * peak))
    summed /= weights
    return _sliced(summed, log_depth, low, thickness, cell)


def _sliced(
    grid: npt.NDArray[np.float32], log_depth: npt.NDArray[np.float32], low: float, thickness: float, cell: float
) -> npt.NDArray[np.float32]:
    """(H, W) values of a grid (rows, columns, layers) at an image's pixels and their ln depth; 0 where that is NaN."""
    height, width = log_depth.shape
    rows, columns, bins = grid.shape
    # Beyond the layers that hold points nothing is known: two more on either side, by which it fades.
    deep = bins + 2 * FADE
    layers = np.zeros((rows, deep, columns), dtype=np.float32)
    layers[:, FADE : FADE + bins] = grid.transpose(0, 2, 1)
    layers[:, FADE - 1], layers[:, FADE + bins] = 0.5 * layers[:, FADE], 0.5 * layers[:, FADE + bins - 1]
    layer = log_depth * np.float32(1.0 / thickness)
    layer += np.float32(FADE - low / thickness)
    np.clip(layer, 0.0, deep - 1.001, out=layer)
    cv2.patchNaNs(layer, 0.0)
    # Between rows of cells first, for all layers and columns, then between layers and columns in one look-up.
    down, across = ((np.arange(size, dtype=np.float32) + 0.5) / np.float32(cell) for size in (height, width))
    above = np.minimum(down.astype(np.intp), rows - 2)
    mix = np.maximum(1.0 - np.abs(down[:, None] - np.arange(rows, dtype=np.float32)), 0.0)
    sliced = np.empty((height, width), dtype=np.float32)
    flat, block = layers.reshape(rows, -1), max(1, MAX_TABLE // deep)
    table = np.empty((min(block, height), deep * columns), dtype=np.float32)
    layer += (np.arange(height, dtype=np.float32) % block * deep)[:, None]
    places = np.repeat(across[None], len(table), axis=0)
    for start in range(0, height, block):
        end = min(start + block, height)
        used, count = slice(above[start], above[end - 1] + 2), end - start
        np.matmul(mix[start:end, used], flat[used], out=table[:count])
        look = table.reshape(-1, columns)[: count * deep]
        cv2.remap(look, places[:count], layer[start:end], cv2.INTER_LINEAR, sliced[start:end])
    return sliced
