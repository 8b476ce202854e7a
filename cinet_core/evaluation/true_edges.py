"""Where the true depth of a frame has edges, also where a sensor saw none for its own shadow."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import torch

from cinet_core.tasks.learning.surfaces import occlusion_boundaries

__all__ = ["LONGEST_SHADOW", "near_depth_edges", "true_depth_edges", "without_shadows"]

LONGEST_SHADOW = 40
"""Pixels: a Kinect's shadow of something at 0.8 m on a wall at 4 m is 525 * 0.075 * (1 / 0.8 - 1 / 4) = 39."""


def true_depth_edges(depth: npt.NDArray[np.floating]) -> npt.NDArray[np.bool_]:
    """Return the occlusion boundaries of true depth (H, W) in metres, 0 where unknown: (H, W) bool.

    They are the outermost pixels of the nearer surface, by `occlusion_boundaries`, of the depth `without_shadows`.
    """
    filled = torch.from_numpy(without_shadows(np.asarray(depth, dtype=np.float32)))
    return (occlusion_boundaries(filled) == 1).numpy()


def near_depth_edges(depth: npt.NDArray[np.floating], reach: float) -> npt.NDArray[np.bool_]:
    """Return the pixels within so many pixels of `true_depth_edges`: (H, W) bool."""
    edges = true_depth_edges(depth)
    if not edges.any():
        return edges
    distance = cv2.distanceTransform((~edges).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return distance <= reach


def without_shadows(depth: npt.NDArray[np.float32], longest: int = LONGEST_SHADOW) -> npt.NDArray[np.float32]:
    """Fill what a sensor left unknown beside an edge with the surface behind.

    A structured-light sensor does not see what its projector, beside it, does not light: along a row a hole lies
    between the nearer and the farther surface, and belongs to the farther one.

    >>> without_shadows(np.array([[1.0, 0.0, 0.0, 3.0, 0.0]], dtype=np.float32)).tolist()
    [[1.0, 3.0, 3.0, 3.0, 0.0]]

    Args:
        depth: (H, W) metres, 0 where unknown.
        longest: pixels of the longest hole in a row that is filled.

    Returns:
        (H, W) with the holes of each row filled that have an end on both sides.
    """
    height, width = depth.shape
    known = depth > 0
    column = np.arange(width)
    left = np.maximum.accumulate(np.where(known, column, -1), axis=1)
    right = np.minimum.accumulate(np.where(known, column, width)[:, ::-1], axis=1)[:, ::-1]
    hole = ~known & (left >= 0) & (right < width) & (right - left - 1 <= longest)
    row = np.arange(height)[:, None]
    farther = np.maximum(depth[row, left.clip(0)], depth[row, right.clip(0, width - 1)])
    return np.where(hole, farther, depth)
