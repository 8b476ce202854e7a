"""Anchor *motion*: no pose is known; the camera's own visual motion gives the shape of depth, not its metres.

Tracks, predicted depth and constant velocity start a small bundle adjustment (`adjusted`). What the images say about
the depth of each point is taken out of it free of the network's shape; the common factor of depth and motion stays as
the network had it. So the measurement's factor is an error that all points share, and what the estimator keeps of the
factor is the network's own, averaged over the time that it remembers.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from cinet_core.anchors.bundle import BundleProblem, adjusted
from cinet_core.anchors.grid import Array
from cinet_core.anchors.measurement import AnchorGap, AnchorMeasurement, nothing
from cinet_core.anchors.odometry import MIN_TRACKS, OdometrySettings, measured, rays_of
from cinet_core.anchors.tracks import TrackWindow
from cinet_core.geometry import Intrinsics

__all__ = ["MotionAnchor"]

FREE_FACTOR = 5.0
"""Standard deviation of the measurement's common factor: as good as free, since it says nothing about metres."""

DEPTH_SIGMA = 0.25
"""Of ln predicted depth of a point, while the window is adjusted."""

MIN_PARALLAX = 0.02
"""Way to the farthest keyframe by depth, below which there is no shape to be had."""

TURN_SIGMA, WAY_SIGMA = 0.05, 0.1
"""How far a motion may be from what constant velocity says: radians, and by depth."""


class MotionAnchor:
    """Tracks a camera's images and finds its motion and the shape of what it sees. Images in their order.

    `track` needs the image and is meant for a thread of its own; `measure` takes some milliseconds.

    Args:
        settings: of tracks; what they say about poses is not used.

    Attributes:
        motion: (4, 4) of the last `measure`: coordinates of the camera at the `measure` before to those of the camera
            now, in metres of predicted depth; None where it was lost.
    """

    def __init__(self, settings: OdometrySettings | None = None) -> None:
        self.settings = settings or OdometrySettings(pixel_sigma=1.0, shared_memory=0.2)
        self.motion: Array | None = None
        self._window = TrackWindow()
        self._poses: dict[int, Array] = {}
        self._count = 0
        self._measured = -1
        self._step = np.eye(4)

    def track(
        self, image: npt.NDArray[np.uint8], seconds: float, excluded: npt.NDArray[np.bool_] | None = None
    ) -> None:
        """Track into an image. Arguments as `OdometryAnchor.track`."""
        self._window.add(image, seconds, self._count, excluded)
        self._count += 1

    def measure(self, depth: npt.NDArray[np.floating], intrinsics: Intrinsics) -> AnchorMeasurement:
        """Depths of tracked points in the image that was tracked last, up to a common factor.

        Args:
            depth: (h, w) predicted metres of that image, of any resolution.
            intrinsics: of that image, at its own size.
        """
        self.motion = None
        size = (intrinsics.width, intrinsics.height)
        current = self._window.current
        if current is None:
            return nothing("motion", AnchorGap.STARTING, size)
        number, before = int(current.context), self._measured
        self._measured = number
        if before not in self._poses:
            return self._restarted(number, AnchorGap.STARTING, size)
        pixels, seen, certainty, frames = self._window.observations(1)
        known = [place for place, frame in enumerate(frames) if frame in self._poses]
        if not known:
            return self._restarted(number, AnchorGap.STARTING, size)
        column, row = ((pixels.T + 0.5) * [[depth.shape[1] / size[0]], [depth.shape[0] / size[1]]]).astype(np.intp)
        predicted = depth[row.clip(0, depth.shape[0] - 1), column.clip(0, depth.shape[1] - 1)].astype(np.float64)
        seen, frames = seen[known], [frames[place] for place in known]
        good = (predicted > 0) & np.isfinite(predicted) & np.isfinite(seen[..., 0]).any(axis=0)
        if good.sum() < MIN_TRACKS:
            return self._restarted(number, AnchorGap.FEW_TRACKS, size)
        pixels, seen, certainty, predicted = pixels[good], seen[:, good], certainty[good], predicted[good]
        guess = self._poses[before] @ np.linalg.inv(self._step)
        start = np.linalg.inv(np.stack([self._poses[frame] for frame in frames])) @ guess
        typical = float(np.median(predicted))
        spread = np.array([TURN_SIGMA] * 3 + [WAY_SIGMA * typical] * 3) ** 2
        sigma = self.settings.pixel_sigma * intrinsics.width / 640.0 / intrinsics.focal
        result = adjusted(
            BundleProblem(
                rays_of(pixels, intrinsics),
                rays_of(seen, intrinsics),
                start,
                np.diag(np.tile(spread, len(frames))),
                certainty,
                sigma,
                np.log(predicted),
                DEPTH_SIGMA,
            )
        )
        if (result.residual < self.settings.max_residual).mean() < 0.5:
            return self._restarted(number, AnchorGap.INCONSISTENT, size)
        self._remember(number, before, frames, result.motions)
        if np.linalg.norm(result.motions[:, :3, 3], axis=1).max() < MIN_PARALLAX * typical:
            return nothing("motion", AnchorGap.NO_MOTION, size)
        found = measured("motion", pixels, result, self.settings, size, metric=False)
        if not len(found):
            return found
        return replace(found, modes=np.hstack([found.modes, np.full((len(found), 1), FREE_FACTOR)]))

    def _restarted(self, number: int, gap: AnchorGap, size: tuple[int, int]) -> AnchorMeasurement:
        """Begin anew with this image, whose pose is the world's origin."""
        self._poses, self._step = {number: np.eye(4)}, np.eye(4)
        return nothing("motion", gap, size)

    def _remember(self, number: int, before: int, frames: list[int], motions: Array) -> None:
        """Take over the poses of an adjusted window; the newest keyframe keeps its own."""
        pose = self._poses[frames[-1]] @ motions[-1]
        poses = {frame: pose @ np.linalg.inv(one) for frame, one in zip(frames, motions, strict=True)}
        self._step = np.linalg.inv(pose) @ self._poses[before]
        self.motion = self._step
        poses[number] = pose
        if before in self._poses and before not in poses:
            poses[before] = self._poses[before]
        self._poses = poses
