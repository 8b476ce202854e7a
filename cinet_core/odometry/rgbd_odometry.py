"""RGB-D odometry by Open3D: tracks the camera from frame to frame by colour and depth."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from cinet_core.geometry import Intrinsics
from cinet_core.odometry.consistent_camera import ConsistentCamera
from cinet_core.open3d_loading import load_open3d

__all__ = ["METHODS", "RgbdOdometry"]

MIN_FITNESS = 0.3
"""Part of the pixels that must fall onto each other, after the depth outliers are taken out; below, tracking is lost.
Two frames that follow each other share 0.9 and more."""

ITERATIONS = (10, 5, 3)
"""Of the pyramid's levels, coarsest first: Open3D's own."""

METHODS = {"hybrid": "Hybrid", "intensity": "Intensity", "point_to_plane": "PointToPlane"}
"""What is laid over each other, by Open3D's name: depth and intensity; intensity alone, which depth only carries over
to the other frame; depth alone."""


class RgbdOdometry:
    """Frame-to-frame tracking: each frame is registered to the previous one.

    No map, no loop closure and no filter: errors add up, which is what this is for. A frame that cannot be laid over
    the one before is counted, and the camera is taken to have stood still meanwhile.

    Args:
        max_depth: metres; farther points are not used.
        method: one of `METHODS`.

    Attributes:
        poses: (4, 4) float64 of every frame: its camera's coordinates to the first one's, metres.
        lost: frames in which tracking failed.

    Raises:
        ValueError: max_depth is not above 0, or there is no such method.
        Open3DError: Open3D cannot be loaded.
    """

    def __init__(self, max_depth: float = 4.0, method: str = "hybrid") -> None:
        if not 0.0 < max_depth < math.inf:
            raise ValueError(f"max_depth is {max_depth}: it must be above 0 metres")
        if method not in METHODS:
            raise ValueError(f"there is no method {method!r}: choose one of {', '.join(METHODS)}")
        self._open3d = load_open3d()
        self._odometry = self._open3d.t.pipelines.odometry
        self._max_depth = max_depth
        self._method = getattr(self._odometry.Method, METHODS[method])
        self._last: Any | None = None
        self._camera = ConsistentCamera()
        self.poses: list[npt.NDArray[np.float64]] = []
        self.lost = 0

    def track(
        self, image: npt.NDArray[np.uint8], depth: npt.NDArray[np.floating], intrinsics: Intrinsics
    ) -> npt.NDArray[np.float64]:
        """Track the next frame.

        Args:
            image: (H, W, 3) uint8 RGB.
            depth: (H, W) metres along z, registered to the image; NaN, infinite or not positive where unknown.
            intrinsics: of both.

        Returns:
            Its pose, as in `poses`.

        Raises:
            ValueError: the sizes differ, or the camera is another than before.
        """
        self._camera.check(image, depth, intrinsics)
        frame = self._frame(image, depth)
        if self._last is None:
            pose = np.eye(4)
        else:
            motion = self._motion(frame, self._last, intrinsics)
            if motion is None:
                self.lost += 1
                motion = np.eye(4)
            pose = self.poses[-1] @ motion
        self._last = frame
        self.poses.append(pose)
        return pose

    def close(self) -> None:
        """Release the last frame."""
        self._last = None

    def _frame(self, image: npt.NDArray[np.uint8], depth: npt.NDArray[np.floating]) -> Any:
        """The frame as Open3D takes it: float depth in metres, 0 where unknown."""
        known = np.where((depth > 0) & (depth < np.inf), depth, 0.0).astype(np.float32)
        geometry, core = self._open3d.t.geometry, self._open3d.core
        return geometry.RGBDImage(
            geometry.Image(core.Tensor(np.ascontiguousarray(image))), geometry.Image(core.Tensor(known[..., None]))
        )

    def _motion(self, source: Any, target: Any, intrinsics: Intrinsics) -> npt.NDArray[np.float64] | None:
        """(4, 4): the new camera's coordinates to the last one's; None where tracking is lost."""
        core = self._open3d.core
        try:
            result = self._odometry.rgbd_odometry_multi_scale(
                source,
                target,
                core.Tensor(intrinsics.matrix()),
                core.Tensor(np.eye(4)),
                1.0,
                self._max_depth,
                [self._odometry.OdometryConvergenceCriteria(count) for count in ITERATIONS],
                self._method,
            )
        except RuntimeError:  # "Singular 6x6 linear system detected, tracking failed."
            return None
        motion = np.asarray(result.transformation.cpu().numpy(), dtype=np.float64)
        if not (np.isfinite(motion).all() and result.fitness >= MIN_FITNESS):
            return None
        return motion
