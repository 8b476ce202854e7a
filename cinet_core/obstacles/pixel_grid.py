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

__all__ = ["FARTHEST", "FirstOfFour", "PixelGrid", "pixel_grid", "row_and_column"]

FARTHEST = 100.0
"""Metres: depth beyond is unknown; no room is so deep."""


NEAREST = 1e-3
"""Metres: depth below is unknown; so near no camera sees anything."""


@dataclass(frozen=True, eq=False)
class FirstOfFour:
    """Which pixel of each 2x2 of an image is the first by some order. An odd last row or column is left out.

    Attributes:
        below: (h, W) bool, whether of the two of each column it is the lower one.
        right: (h, w) bool, whether of the two that are left it is the right one.
        image_width: pixels in a row of the image: W, or one more.
    """

    below: npt.NDArray[np.bool_]
    right: npt.NDArray[np.bool_]
    image_width: int

    @classmethod
    def of(cls, order: npt.NDArray[np.uint32]) -> tuple[FirstOfFour, npt.NDArray[np.uint32]]:
        """Return it for an order, (H, W) numbers, with the smallest of each 2x2."""
        upper, lower = _rows(order)
        # OpenCV has no uint32; it moves the bits and computes nothing.
        left, right = (half.view(np.uint32) for half in _even_odd(np.minimum(upper, lower).view(np.float32)))
        return cls(lower < upper, right < left, order.shape[1]), np.minimum(left, right)

    def of_layer(self, layer: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return (h, w) of an (H, W) layer."""
        return _chosen(self.right, *_even_odd(_chosen(self.below, *_rows(layer))))

    def places(self, pixels: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
        """Return (N,) indices into the raveled image of (N,) indices into the raveled grid."""
        row, column = row_and_column(pixels, self.right.shape[1])
        column = 2 * column + self.right.ravel()[pixels]
        return (2 * row + self.below[row, column]) * self.image_width + column


@dataclass(frozen=True, eq=False)
class PixelGrid:
    """Depth, labels and rays of the pixels, and how they get into the base frame.

    Attributes:
        depth: (h, w) float32, metres along the optical axis; infinite where unknown.
        labels: (h, w) uint8; 255 = unlabelled.
        intrinsics: of the grid.
        rotation: (3, 3) float32, optical frame to base frame.
        origin: (3,) float32, the camera in the base frame.
        uncertainty: (h, w) float32, metres of depth; None where the frame had none.
        confidence: (H, W) uint8 of the frame's pixels; None where it had none. Few are asked for: `confidence_of`.
        choice: which pixels of the frame these are; None: all, in their order.
    """

    depth: npt.NDArray[np.float32]
    labels: npt.NDArray[np.uint8]
    intrinsics: Intrinsics
    rotation: npt.NDArray[np.float32]
    origin: npt.NDArray[np.float32]
    uncertainty: npt.NDArray[np.float32] | None = None
    confidence: npt.NDArray[np.uint8] | None = None
    choice: FirstOfFour | None = None

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

    def coordinates(
        self, direction: npt.NDArray[np.floating], rows: slice = slice(None), more: float = 0.0
    ) -> npt.NDArray[np.float32]:
        """Return (h, w) metres: where the pixels, or those of some rows, are along a (3,) direction of the base frame.

        Unknown ones are at the camera. ``more`` is added to each.
        """
        along = self.slopes(direction, rows)
        along *= self.finite_depth[rows]
        along += np.float32(np.asarray(direction, dtype=np.float64) @ self.origin + more)
        return along

    def points(self, pixels: npt.NDArray[np.intp]) -> npt.NDArray[np.float32]:
        """Return (N, 3) float32 metres in the base frame of pixels, given as (N,) indices into the raveled grid."""
        row, column = row_and_column(pixels, self.intrinsics.width)
        z = self.depth.ravel()[pixels]
        optical = np.stack([self.columns[column] * z, self.rows[row] * z, z], axis=1)
        return optical @ self.rotation.T + self.origin

    def confidence_of(self, pixels: npt.NDArray[np.intp]) -> npt.NDArray[np.uint8] | None:
        """Return (N,) uint8 of pixels, given as (N,) indices into the raveled grid; None where the frame had none."""
        if self.confidence is None:
            return None
        return self.confidence.ravel()[pixels if self.choice is None else self.choice.places(pixels)]

    def with_depth(self, depth: npt.NDArray[np.float32]) -> PixelGrid:
        """The grid with another depth."""
        return replace(self, depth=depth)


def pixel_grid(frame: DepthFrame, settings: ObstacleSettings) -> PixelGrid:
    """Take the grid from a frame: invalid depth becomes unknown, and unsure labels become unlabelled.

    At half resolution each pixel is the nearest of its 2x2 with that one's label, so that thin things stay whole; an
    odd last row or column is left out. Its ray is that of the middle of the four.
    """
    labels, uncertainty, camera, choice = frame.labels, frame.uncertainty, frame.intrinsics, None
    sure = frame.confidence if settings.min_confidence > 0 else None
    order = _order(frame.depth, settings.min_range)
    if settings.half_resolution:
        choice, order = FirstOfFour.of(order)
        labels = choice.of_layer(labels)
        uncertainty, sure = (None if layer is None else choice.of_layer(layer) for layer in (uncertainty, sure))
        height, width = order.shape
        # The middle of pixels 0 and 1 is 0.5.
        camera = Intrinsics(camera.fx / 2, camera.fy / 2, (camera.cx - 0.5) / 2, (camera.cy - 0.5) / 2, width, height)
    if sure is not None:
        labels = np.where(sure < np.float32(settings.min_confidence * 255.0), np.uint8(UNLABELLED), labels)
    return PixelGrid(
        _depth_of(order, settings.min_range),
        labels,
        camera,
        frame.pose[:3, :3].astype(np.float32),
        frame.pose[:3, 3].astype(np.float32),
        uncertainty,
        frame.confidence,
        choice,
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


def row_and_column(pixels: npt.NDArray[np.intp], width: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Of (N,) indices into a raveled grid. ``np.divmod`` takes three times as long."""
    row = pixels // width
    return row, pixels - row * width


def _rows(layer: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Even and odd rows, of an even number of each and of columns."""
    height, width = (side // 2 * 2 for side in layer.shape)
    return layer[0:height:2, :width], layer[1:height:2, :width]


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
