"""Points of a depth image that are few enough to be drawn with every frame."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cinet_core.geometry import Intrinsics, depth_edges, unproject

__all__ = ["Cloud", "thinned_cloud", "without_edges"]

RELATIVE_JUMP = 0.05
"""Depth edges are left out: a smooth one puts points into free space, where they hide the rest."""


class Cloud(NamedTuple):
    """Points of a frame.

    Attributes:
        points: (N, 3) float32 metres in the camera's coordinates: x right, y down, z forward.
        labels: (N,) uint8 class ids, 255 unlabelled.
        colors: (N, 3) uint8 RGB of the image.
    """

    points: npt.NDArray[np.float32]
    labels: npt.NDArray[np.uint8]
    colors: npt.NDArray[np.uint8]


def without_edges(depth: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """(H, W) depth in which pixels beside a depth edge are NaN."""
    return np.where(depth_edges(depth, RELATIVE_JUMP), np.nan, depth).astype(np.float32)


def thinned_cloud(
    depth: npt.NDArray[np.floating],
    labels: npt.NDArray[np.integer],
    image: npt.NDArray[np.uint8],
    intrinsics: Intrinsics,
    most: int,
) -> Cloud:
    """Every n-th row and column of a frame, so that no more than ``most`` points are left.

    Pixels without a valid depth and those beside a depth edge give no point.

    Args:
        depth: (H, W) metres along z; NaN, infinite or not positive where invalid.
        labels: (H, W) class ids, 255 unlabelled.
        image: (H, W, 3) uint8 RGB.
        intrinsics: of these images.
        most: points.

    Raises:
        ValueError: a size differs, or ``most`` is below 1.
    """
    if most < 1:
        raise ValueError(f"most is {most}: a cloud has at least 1 point")
    if not labels.shape == image.shape[:2] == depth.shape:
        raise ValueError(
            f"labels are {labels.shape}, the image {image.shape[:2]} and the depth {depth.shape}: one size is needed"
        )
    every = math.ceil(math.sqrt(depth.size / most))
    while math.ceil(depth.shape[0] / every) * math.ceil(depth.shape[1] / every) > most:
        every += 1  # rounding up at both borders
    grid = (slice(None, None, every),) * 2
    points = unproject(without_edges(depth), intrinsics)[grid]
    kept = np.isfinite(points[..., 2])
    return Cloud(points[kept], labels[grid][kept].astype(np.uint8), image[grid][kept])
