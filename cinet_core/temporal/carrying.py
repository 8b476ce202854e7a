"""Carrying images of the last frame into the view of the current one, along the motion of the camera.

For a pixel p of the current frame with depth d, the motion T from last to current camera coordinates tells where the
last frame saw the same point, and at which depth it should have seen it::

    X = T^-1 (d K^-1 p),   p' = project(X),   z' = X_z.

The last frame's depth D(p') is compared with z'. Where ``ln D(p') - ln z'`` is near 0, both frames saw the same
surface; where the last one saw something nearer, the surface was hidden or something moved away, and where it saw
something farther, something came. The current depth decides, so that a surface never hides behind one that was in
front of it before: this is the inverse of a z-buffered forward warp, without its holes.

An error of the current depth moves p' along the parallax of one frame only, a few per cent of a few pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from cinet_core.geometry import Intrinsics, rigidity_error

__all__ = ["MAX_RIGIDITY_ERROR", "Carried", "carry", "checked_motion"]

Float = npt.NDArray[np.float32]

MAX_RIGIDITY_ERROR = 1e-3
"""How far R R^T of a motion may be off the identity."""

_Value = TypeVar("_Value", np.float32, np.uint8)

NEAR = 1e-3
"""Metres in front of the last camera below which a point has no pixel there."""


@dataclass(frozen=True, eq=False)
class Carried:
    """Where the last frame saw the points of the current one.

    Attributes:
        u: (h, w) float32 columns in the last frame.
        v: (h, w) float32 rows in the last frame.
        difference: (h, w) float32, ln(depth that the last frame has there / depth that the point has from there); 0
            where `known` is False.
        known: (h, w) bool, whether the point lies within the last frame, to half a pixel, and both depths are valid.
    """

    u: Float
    v: Float
    difference: Float
    known: npt.NDArray[np.bool_]

    def nearest(self, image: npt.NDArray[_Value]) -> npt.NDArray[_Value]:
        """The values (h, w) of an image of the last frame at the nearest pixel; beyond its border they mean nothing."""
        return cv2.remap(image, self.u, self.v, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)

    def bilinear(self, image: Float) -> Float:
        """The values (h, w) of an image of the last frame between pixels; beyond its border they mean nothing."""
        return cv2.remap(image, self.u, self.v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def carry(depth: Float, last_depth: Float, intrinsics: Intrinsics, motion: npt.NDArray[np.float64]) -> Carried:
    """Find where the last frame saw the points of the current one.

    Args:
        depth: (h, w) float32 metres of the current frame; NaN, infinite or not positive where unknown.
        last_depth: (h, w) float32 metres of the last one, likewise.
        intrinsics: of both, at this size.
        motion: (4, 4), the last camera's coordinates to the current one's, metres.

    Raises:
        ValueError: sizes differ, or the motion is not finite or not rigid.
    """
    size = (intrinsics.height, intrinsics.width)
    if depth.shape != size or last_depth.shape != size:
        raise ValueError(
            f"depth is {depth.shape} and the last one {last_depth.shape}, but the intrinsics are for {size}: all three "
            "must be of one size; use Intrinsics.resized"
        )
    back = np.linalg.inv(checked_motion(motion)).astype(np.float32)
    valid = _valid(depth)
    z = np.where(valid, depth, np.float32(1.0))
    x, y, ahead = _transformed(z, intrinsics, back)
    in_front = ahead > NEAR
    ahead = np.where(in_front, ahead, np.float32(1.0))
    u = x / ahead
    u *= np.float32(intrinsics.fx)
    u += np.float32(intrinsics.cx)
    v = y / ahead
    v *= np.float32(intrinsics.fy)
    v += np.float32(intrinsics.cy)
    inside = (u > -0.5) & (u < intrinsics.width - 0.5) & (v > -0.5) & (v < intrinsics.height - 0.5)
    # NaN where one of the four pixels is.
    last = np.where(_valid(last_depth), last_depth, np.float32(np.nan))
    seen = cv2.remap(last, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    known = valid & in_front & inside & (seen > 0)
    difference = np.log(np.where(known, seen / ahead, np.float32(1.0)))
    return Carried(u, v, difference, known)


def checked_motion(motion: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """A motion as (4, 4) float64.

    Raises:
        ValueError: it has another shape, is not finite or not rigid.
    """
    matrix = np.asarray(motion, dtype=np.float64)
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all():
        raise ValueError(f"motion is {matrix.tolist()}: a finite (4, 4) transform is needed, last camera to current")
    error = rigidity_error(matrix, MAX_RIGIDITY_ERROR)
    if error is not None:
        raise ValueError(f"motion is {error}")
    return matrix


def _transformed(depth: Float, intrinsics: Intrinsics, back: Float) -> list[Float]:
    """The three coordinates of every pixel's point in the last camera."""
    ray_x = ((np.arange(intrinsics.width) - intrinsics.cx) / intrinsics.fx).astype(np.float32)[None, :]
    ray_y = ((np.arange(intrinsics.height) - intrinsics.cy) / intrinsics.fy).astype(np.float32)[:, None]
    coordinates = []
    for row in back[:3]:
        values = depth * (row[0] * ray_x + (row[1] * ray_y + row[2]))
        values += row[3]
        coordinates.append(values)
    return coordinates


def _valid(depth: Float) -> npt.NDArray[np.bool_]:
    return (depth > 0) & (depth < np.float32(np.inf))  # NaN is neither
