"""Exact depth and labels of scenes made of boxes, seen by a camera on a robot: what obstacles are tested on.

Every box is intersected with every ray (Kay and Kajiya 1986), so that depth is exact to rounding.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cinet_core.geometry import Intrinsics, project
from cinet_core.label_sets import NYU40, UNLABELLED
from cinet_core.obstacles.depth_frame import DepthFrame

__all__ = ["SceneBox", "camera_pose", "floor", "ramp", "render"]

OPTICAL = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
"""Axes of a level camera that looks along the base's x: optical frame to base frame."""

FAR = 1e6


@dataclass(frozen=True)
class SceneBox:
    """A box in the base frame.

    Attributes:
        low, high: metres, its corners, in its own frame.
        label: name of a class of NYU40.
        pitch: degrees by which it is turned about its own y at `pivot`: positive lifts what is ahead.
        pivot: metres, in the base frame; the origin of its own frame.
        yaw: degrees, counterclockwise about the pivot's vertical.
    """

    low: tuple[float, float, float]
    high: tuple[float, float, float]
    label: str
    pitch: float = 0.0
    pivot: tuple[float, float, float] = (0.0, 0.0, 0.0)
    yaw: float = 0.0

    def axes(self) -> npt.NDArray[np.float64]:
        """(3, 3) whose columns are the box's axes in the base frame."""
        pitch, yaw = math.radians(self.pitch), math.radians(self.yaw)
        up = np.array([[math.cos(pitch), 0, -math.sin(pitch)], [0, 1, 0], [math.sin(pitch), 0, math.cos(pitch)]])
        turn = np.array([[math.cos(yaw), -math.sin(yaw), 0], [math.sin(yaw), math.cos(yaw), 0], [0, 0, 1]])
        return turn @ up


def floor(x: tuple[float, float] = (-1.0, 12.0), y: tuple[float, float] = (-6.0, 6.0), z: float = 0.0) -> SceneBox:
    """A level floor whose top is at z."""
    return SceneBox((x[0], y[0], z - 0.1), (x[1], y[1], z), "floor")


def ramp(begin: float, degrees: float, length: float, y: tuple[float, float] = (-6.0, 6.0)) -> SceneBox:
    """A ramp that begins on the floor at x = begin, of this length along its slope."""
    return SceneBox((0.0, y[0], -0.1), (length, y[1], 0.0), "floor", degrees, (begin, 0.0, 0.0))


def camera_pose(height: float = 0.3, down: float = 0.0, roll: float = 0.0) -> npt.NDArray[np.float64]:
    """(4, 4) optical frame to base frame of a camera above the base's origin.

    Args:
        height: metres.
        down: degrees that it looks below the horizon.
        roll: degrees that its right side is lower.
    """
    p, r = math.radians(down), math.radians(roll)
    pitch = np.array([[math.cos(p), 0, math.sin(p)], [0, 1, 0], [-math.sin(p), 0, math.cos(p)]])
    rolled = np.array([[1, 0, 0], [0, math.cos(r), -math.sin(r)], [0, math.sin(r), math.cos(r)]])
    pose = np.eye(4)
    pose[:3, :3] = pitch @ rolled @ OPTICAL
    pose[2, 3] = height
    return pose


def render(
    boxes: Sequence[SceneBox],
    pose: npt.NDArray[np.float64],
    intrinsics: Intrinsics | None = None,
    believed: npt.NDArray[np.float64] | None = None,
) -> DepthFrame:
    """Render a scene.

    Args:
        boxes: in the base frame.
        pose: (4, 4) optical frame to base frame.
        intrinsics: 640x480 with 60 degrees by default.
        believed: (4, 4) the pose that the frame has, where it is not the true one.
    """
    camera = intrinsics or Intrinsics.from_fov(640, 480, 60.0)
    u = (np.arange(camera.width) - camera.cx) / camera.fx
    v = (np.arange(camera.height) - camera.cy) / camera.fy
    rays = np.empty((camera.height, camera.width, 3))
    rays[..., 0], rays[..., 1], rays[..., 2] = u, v[:, None], 1.0
    depth = np.full(rays.shape[:2], FAR)
    labels = np.full(rays.shape[:2], UNLABELLED, dtype=np.uint8)
    for box in boxes:
        axes = box.axes()
        origin = (pose[:3, 3] - box.pivot) @ axes
        window = _window(box, pose, camera)
        hit = _entry(origin, rays[window] @ (axes.T @ pose[:3, :3]).T, box)
        nearer = hit < depth[window]
        depth[window][nearer] = hit[nearer]
        labels[window][nearer] = NYU40.ids([box.label])[0]
    depth[depth == FAR] = np.nan
    return DepthFrame(depth.astype(np.float32), labels, camera, pose if believed is None else believed)


def _window(box: SceneBox, pose: npt.NDArray[np.float64], camera: Intrinsics) -> tuple[slice, slice]:
    """Rows and columns that a box can be seen in: those of its corners, or all where one is not before the camera."""
    corners = np.array(list(itertools.product(*zip(box.low, box.high, strict=True))))
    seen = (corners @ box.axes().T + box.pivot - pose[:3, 3]) @ pose[:3, :3]
    if seen[:, 2].min() < 1e-2:
        return slice(None), slice(None)
    pixels = project(seen, camera)
    (left, top), (right, bottom) = np.floor(pixels.min(axis=0)), np.ceil(pixels.max(axis=0)) + 1
    return slice(max(0, int(top)), max(0, int(bottom))), slice(max(0, int(left)), max(0, int(right)))


def _entry(origin: npt.NDArray[np.float64], rays: npt.NDArray[np.float64], box: SceneBox) -> npt.NDArray[np.float64]:
    """(h, w) depth at which rays enter a box, `FAR` where they do not."""
    enters, leaves = np.full(rays.shape[:2], 1e-3), np.full(rays.shape[:2], FAR)
    with np.errstate(divide="ignore", invalid="ignore"):
        for axis in range(3):
            one = (box.low[axis] - origin[axis]) / rays[..., axis]
            other = (box.high[axis] - origin[axis]) / rays[..., axis]
            enters = np.maximum(enters, np.minimum(one, other))
            leaves = np.minimum(leaves, np.maximum(one, other))
    return np.where((enters <= leaves) & (enters > 1e-3), enters, FAR)
