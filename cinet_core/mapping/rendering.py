"""Renderings of a map: from above and from within, in the camera's colours and in the classes'."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cinet_core.geometry import Intrinsics, project
from cinet_core.label_sets import LabelSet
from cinet_core.mapping.map_points import MapPoints
from cinet_core.visualize.cloud import render_cloud
from cinet_core.visualize.labels import wide_legend
from cinet_core.visualize.text import Pen, RgbImage, blank

__all__ = ["render_from_above", "render_from_within"]

WIDTH, HEIGHT = 640, 480
CAPTION = 22
VIEW_DEG = 75.0
STEP_BACK = 0.5
"""Metres that the view from within stands behind the camera that it follows: some more of the room."""

NEAR = 0.25
"""Metres: what is nearer to the view hides too much of it."""

MAX_SPLAT = 11
"""Pixels across."""


def render_from_above(points: MapPoints, label_set: LabelSet, poses: npt.NDArray[np.float64], caption: str) -> RgbImage:
    """Render the map from above, without what is higher than the cameras, with a metric grid.

    Args:
        points: of the map.
        label_set: label set of the points.
        poses: (K, 4, 4) of the cameras; their mean says where up and forward are.
        caption: a line above.
    """
    level = points.xyz @ _level_axes(poses) - poses[:, :3, 3].mean(axis=0) @ _level_axes(poses)
    colors = (points.rgb, label_set.palette[points.labels])
    images = [render_cloud(level, each, "above", WIDTH, HEIGHT) for each in colors]
    return _beside(images, points, label_set, caption)


def render_from_within(
    points: MapPoints, label_set: LabelSet, pose: npt.NDArray[np.float64], voxel: float, caption: str
) -> RgbImage:
    """Render the map from a viewpoint a little behind a camera pose.

    Args:
        points: of the map.
        label_set: label set of the points.
        pose: (4, 4) of the camera to follow.
        voxel: metres, what a point covers.
        caption: a line above.
    """
    eye = pose[:3, 3] - STEP_BACK * pose[:3, 2]
    seen = (points.xyz - eye) @ pose[:3, :3]
    camera = Intrinsics.from_fov(WIDTH, HEIGHT, VIEW_DEG)
    colors = (points.rgb, label_set.palette[points.labels])
    images = [_splatted(seen, each, camera, voxel) for each in colors]
    return _beside(images, points, label_set, caption)


def _level_axes(poses: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(3, 3): columns are right, down and forward of the mean camera, held level."""
    down = poses[:, :3, 1].mean(axis=0)
    down /= np.linalg.norm(down)
    forward = poses[:, :3, 2].mean(axis=0)
    forward -= (forward @ down) * down
    if np.linalg.norm(forward) < 1e-6:  # cameras that look all around
        forward = np.cross(down, np.eye(3)[np.abs(down).argmin()])
    forward /= np.linalg.norm(forward)
    return np.stack([np.cross(down, forward), down, forward], axis=1)


def _splatted(
    points: npt.NDArray[np.floating], colors: npt.NDArray[np.uint8], camera: Intrinsics, voxel: float
) -> RgbImage:
    """Points (N, 3) in camera coordinates as squares as large as a voxel; the nearest of a pixel is seen."""
    order = np.argsort(-points[:, 2], kind="stable")
    order = order[points[order, 2] > NEAR]  # far to near: of equal pixels the last one written stays
    points, colors = points[order], colors[order]
    pixel = np.rint(project(points, camera)).astype(np.int64)
    half = np.clip(np.ceil(voxel * camera.fx / points[:, 2] / 2), 0, MAX_SPLAT // 2)
    image = blank(camera.height, camera.width)
    nearest = np.full((camera.height, camera.width), np.inf)
    reach = range(-(MAX_SPLAT // 2), MAX_SPLAT // 2 + 1)
    for right, down in ((right, down) for right in reach for down in reach):
        u, v = pixel[:, 0] + right, pixel[:, 1] + down
        drawn = (half >= max(abs(right), abs(down))) & (u >= 0) & (u < camera.width) & (v >= 0) & (v < camera.height)
        drawn[drawn] = points[drawn, 2] < nearest[v[drawn], u[drawn]]
        at = v[drawn], u[drawn]
        nearest[at] = points[drawn, 2]
        image[at] = colors[drawn]
    return image


def _beside(images: list[RgbImage], points: MapPoints, label_set: LabelSet, caption: str) -> RgbImage:
    row = np.hstack(images)
    head = blank(CAPTION, row.shape[1])
    with Pen(head) as pen:
        pen.text((8, CAPTION / 2), caption, 13, anchor="lm")
    return np.vstack([head, row, wide_legend(points.labels, label_set, row.shape[1])])
