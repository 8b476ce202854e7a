"""Registers depth from the view of the sensor to the view of the colour camera beside it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from cinet_core.geometry import Intrinsics

__all__ = ["register_depth"]

SAME_SURFACE = 0.05
"""Neighbours whose depths differ by a smaller part are one surface. No real surface is steeper (88 degrees to the ray
at a focal length of 585 pixels), and two that lie closer drift apart by less than a pixel when seen from 2.5 cm beside.
"""


def register_depth(
    depth: npt.NDArray[np.floating], depth_camera: Intrinsics, color_camera: Intrinsics, baseline: float
) -> npt.NDArray[np.float32]:
    """Warp a depth image into a camera that stands beside the sensor and looks in parallel.

    Every depth pixel is drawn as the rectangle that it covers in the colour image, and the nearest wins. A rectangle
    is as large as the ratio of the focal lengths makes it, so that a magnified surface stays closed; where the shift
    between the cameras pulls neighbours of one surface apart, their rectangles are stretched until they meet. Across a
    depth edge nothing is stretched: what only the colour camera sees stays empty. Values are the sensor's, never mixed.

    Args:
        depth: (H, W) metres along z; 0, negative, NaN or infinite where unknown.
        depth_camera: intrinsics of this image.
        color_camera: intrinsics of the colour image, whose size the result has.
        baseline: where the colour camera stands, metres along the depth camera's x: positive to its right. A point
            (X, Y, Z) of the depth camera is (X - baseline, Y, Z) in the colour camera.

    Returns:
        (H', W') float32 metres, 0 where nothing was measured.

    Raises:
        ValueError: the depth is not of the depth camera's size.
    """
    if depth.shape != (depth_camera.height, depth_camera.width):
        raise ValueError(
            f"depth has shape {depth.shape}, its intrinsics are for {depth_camera.width}x{depth_camera.height}: "
            "use Intrinsics.resized or cropped"
        )
    z = np.where((depth > 0) & (depth < np.inf), depth, np.nan).astype(np.float64)
    rows, columns = np.nonzero(z > 0)
    z_known = z[rows, columns]
    left, right = (edges[rows, columns] for edges in _column_edges(z, depth_camera, color_camera, baseline))
    row_edges = (np.arange(depth_camera.height + 1) - 0.5 - depth_camera.cy) / depth_camera.fy
    row_edges = row_edges * color_camera.fy + color_camera.cy
    nearest = np.full(color_camera.height * color_camera.width, np.inf)
    for v in _centres_between(row_edges[rows], row_edges[rows + 1], color_camera.height):
        for u in _centres_between(left, right, color_camera.width):
            drawn = (v >= 0) & (u >= 0)
            np.minimum.at(nearest, v[drawn] * color_camera.width + u[drawn], z_known[drawn])
    nearest[np.isinf(nearest)] = 0.0
    return nearest.reshape(color_camera.height, color_camera.width).astype(np.float32)


def _column_edges(
    z: npt.NDArray[np.float64], depth_camera: Intrinsics, color_camera: Intrinsics, baseline: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Where each depth pixel begins and ends along u of the colour image: two (H, W), NaN where z is."""
    ray_x = (np.arange(depth_camera.width) - depth_camera.cx) / depth_camera.fx
    centre = color_camera.fx * (ray_x - baseline / z) + color_camera.cx
    half = 0.5 * color_camera.fx / depth_camera.fx
    left, right = centre - half, centre + half
    # Only gaps are closed; where neighbours overlap the nearer one wins anyway. Comparisons with NaN are False.
    near, far = np.minimum(z[:, :-1], z[:, 1:]), np.maximum(z[:, :-1], z[:, 1:])
    torn = (right[:, :-1] < left[:, 1:]) & (far < (1.0 + SAME_SURFACE) * near)
    middle = 0.5 * (right[:, :-1] + left[:, 1:])
    right[:, :-1][torn] = left[:, 1:][torn] = middle[torn]
    return left, right


def _centres_between(
    low: npt.NDArray[np.floating], high: npt.NDArray[np.floating], size: int
) -> Iterator[npt.NDArray[np.int64]]:
    """The pixels 0..size-1 whose centres lie in [low, high): one an interval at a time, -1 where none is left."""
    first = np.ceil(low).astype(np.int64)
    end = np.minimum(np.ceil(high), size).astype(np.int64)
    first = np.maximum(first, 0)
    for step in range(int((end - first).max(initial=0))):
        yield np.where(first + step < end, first + step, -1)
