"""The grid of pixels that obstacles are looked for on: the image, or the nearest pixel of each 2x2 of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from cinet_core.geometry import Intrinsics
from cinet_core.label_sets import UNLABELLED
from cinet_core.obstacles.depth_frame import DepthFrame
from cinet_core.obstacles.settings import ObstacleSettings

__all__ = ["FARTHEST", "PixelGrid", "pixel_grid"]

FARTHEST = 100.0
"""Metres: depth beyond is unknown; no room is so deep."""


NEAREST = 1e-3
"""Metres: depth below is unknown; so near no camera sees anything."""


@dataclass(frozen=True, eq=False)
class PixelGrid:
    """Depth, labels and rays of the pixels, and how they get into the base frame.

    Attributes:
        depth: (h, w) float32, metres along the optical axis; infinite where unknown.
        labels: (h, w) uint8; 255 = unlabelled.
        intrinsics: of the grid.
        rotation: (3, 3) float32, optical frame to base frame.
        origin: (3,) float32, the camera in the base frame.
        confidence: (h, w) uint8; None where the frame had none.
        uncertainty: (h, w) float32, metres of depth; None where the frame had none.
    """

    depth: npt.NDArray[np.float32]
    labels: npt.NDArray[np.uint8]
    intrinsics: Intrinsics
    rotation: npt.NDArray[np.float32]
    origin: npt.NDArray[np.float32]
    confidence: npt.NDArray[np.uint8] | None
    uncertainty: npt.NDArray[np.float32] | None

    @cached_property
    def known(self) -> npt.NDArray[np.bool_]:
        """(h, w) bool: depth is known."""
        return self.depth < np.inf

    @cached_property
    def finite_depth(self) -> npt.NDArray[np.float32]:
        """(h, w) float32: the depth with 0 where it is unknown, so that arithmetic on whole images has no NaN."""
        return np.where(self.known, self.depth, np.float32(0.0))

    @cached_property
    def columns(self) -> npt.NDArray[np.float32]:
        """(w,) float32: x of the ray through each column at depth 1."""
        camera = self.intrinsics
        return ((np.arange(camera.width) - camera.cx) / camera.fx).astype(np.float32)

    @cached_property
    def rows(self) -> npt.NDArray[np.float32]:
        """(h,) float32: y of the ray through each row at depth 1."""
        camera = self.intrinsics
        return ((np.arange(camera.height) - camera.cy) / camera.fy).astype(np.float32)

    def slopes(self, direction: npt.NDArray[np.floating], rows: slice = slice(None)) -> npt.NDArray[np.float32]:
        """Return (h, w): how far each pixel's ray gets along a (3,) direction of the base frame in a metre of depth."""
        x, y, z = (np.asarray(direction, dtype=np.float32) @ self.rotation).tolist()
        return np.float32(x) * self.columns + (np.float32(y) * self.rows[rows] + np.float32(z))[:, None]

    def coordinates(self, direction: npt.NDArray[np.floating], rows: slice = slice(None)) -> npt.NDArray[np.float32]:
        """Return (h, w) metres: where the pixels, or those of some rows, are along a (3,) direction of the base frame.

        Unknown ones are at the camera.
        """
        along = self.slopes(direction, rows)
        along *= self.finite_depth[rows]
        along += np.float32(np.asarray(direction, dtype=np.float64) @ self.origin)
        return along

    def points(self, pixels: npt.NDArray[np.intp]) -> npt.NDArray[np.float32]:
        """Return (N, 3) float32 metres in the base frame of pixels, given as (N,) indices into the raveled grid."""
        row, column = np.divmod(pixels, self.intrinsics.width)
        z = self.depth.ravel()[pixels]
        optical = np.stack([self.columns[column] * z, self.rows[row] * z, z], axis=1)
        return optical @ self.rotation.T + self.origin

    def with_depth(self, depth: npt.NDArray[np.float32]) -> PixelGrid:
        """The grid with another depth."""
        return replace(self, depth=depth)


def pixel_grid(frame: DepthFrame, settings: ObstacleSettings) -> PixelGrid:
    """Take the grid from a frame: invalid depth becomes unknown, and unsure labels become unlabelled.

    At half resolution each pixel is the nearest of its 2x2 with that one's label, so that thin things stay whole; an
    odd last row or column is left out. Its ray is that of the middle of the four.
    """
    layers: list[npt.NDArray[Any]] = [
        layer for layer in (frame.labels, frame.confidence, frame.uncertainty) if layer is not None
    ]
    camera, order = frame.intrinsics, _order(frame.depth, settings.min_range)
    if settings.half_resolution:
        order, layers = _first_of_four(order, layers)
        height, width = order.shape[0], order.shape[1]
        # The middle of pixels 0 and 1 is 0.5.
        camera = Intrinsics(camera.fx / 2, camera.fy / 2, (camera.cx - 0.5) / 2, (camera.cy - 0.5) / 2, width, height)
    depth = _depth_of(order, settings.min_range)
    labels = layers[0]
    confidence = layers[1] if frame.confidence is not None else None
    if confidence is not None and settings.min_confidence > 0:
        unsure = confidence < np.float32(settings.min_confidence * 255.0)
        labels = np.where(unsure, np.uint8(UNLABELLED), labels)
    return PixelGrid(
        depth,
        labels,
        camera,
        frame.pose[:3, :3].astype(np.float32),
        frame.pose[:3, 3].astype(np.float32),
        confidence,
        layers[-1] if frame.uncertainty is not None else None,
    )


def _order(depth: npt.NDArray[np.float32], nearest: float) -> npt.NDArray[np.uint32]:
    """(H, W) numbers that grow with valid depth, and are larger than all of these where depth is not valid.

    The bits of floats above 0 grow with them, those of infinity and NaN are larger still, and as unsigned numbers those
    of floats below 0 too. Less the bits of the nearest valid depth, what is nearer wraps around to large numbers.
    """
    return np.ascontiguousarray(depth).view(np.uint32) - _bits(nearest)


def _depth_of(order: npt.NDArray[np.uint32], nearest: float) -> npt.NDArray[np.float32]:
    """Inverse of `_order`, with infinity for what is not valid."""
    valid = order <= _bits(FARTHEST) - _bits(nearest)
    return np.where(valid, (order + _bits(nearest)).view(np.float32), np.float32(np.inf))


def _bits(depth: float) -> np.uint32:
    return np.float32(max(depth, NEAREST)).view(np.uint32)


def _first_of_four(
    order: npt.NDArray[np.uint32], layers: list[npt.NDArray[Any]]
) -> tuple[npt.NDArray[np.uint32], list[npt.NDArray[Any]]]:
    """The smallest of each 2x2, and the other layers there."""
    height, width = (side // 2 * 2 for side in order.shape)
    upper, lower = order[0:height:2, :width], order[1:height:2, :width]
    to_below = lower < upper
    # OpenCV has no uint32; it moves the bits and computes nothing.
    left, right = (half.view(np.uint32) for half in _even_odd(np.minimum(upper, lower).view(np.float32)))
    to_right = right < left
    chosen = []
    for layer in layers:
        rows = _chosen(to_below, layer[0:height:2, :width], layer[1:height:2, :width])
        chosen.append(_chosen(to_right, *_even_odd(rows)))
    return np.minimum(left, right), chosen


def _even_odd(layer: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Even and odd columns. OpenCV splits channels several times as fast as strides read."""
    height, width = layer.shape
    even, odd = cv2.split(layer.reshape(height, width // 2, 2))
    return even, odd


def _chosen(second: npt.NDArray[np.bool_], one: npt.NDArray[Any], other: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """``np.where(second, other, one)``; by bits where that is faster."""
    if one.dtype != np.uint8:
        return np.where(second, other, one)
    all_bits = np.negative(second.view(np.uint8))  # 1 becomes 255
    return one ^ ((one ^ other) & all_bits)
