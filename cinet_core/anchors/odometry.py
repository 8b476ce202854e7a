"""Anchor *odometry*: tracked points, triangulated with the motion that the robot knows.

How well a depth is known follows from parallax (`BundleResult.variance`); what is wrong with all of them at once from
the motion's own uncertainty (`BundleResult.modes`): a scale that wheels or an inertial unit get wrong, and noise of
each pose. Images know rotation better than most odometry does, so that motions are adjusted within their uncertainty
first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cinet_core.anchors.bundle import BundleProblem, BundleResult, adjusted, triangulated
from cinet_core.anchors.grid import Array
from cinet_core.anchors.measurement import AnchorGap, AnchorMeasurement, AnchorSource, nothing
from cinet_core.anchors.tracks import TrackWindow
from cinet_core.geometry import Intrinsics

__all__ = ["MIN_TRACKS", "OdometryAnchor", "OdometrySettings", "measured", "rays_of"]

MIN_TRACKS = 12
"""Fewer points are no measurement."""


@dataclass(frozen=True)
class OdometrySettings:
    """How well the motion is known, and what is measured with it.

    Attributes:
        pixel_sigma: of a track, pixels of an image 640 wide.
        scale_sigma: of the length of the way, as a part of it: one error for the whole window.
        way_sigma: of the way between two images, as a part of it, each for itself.
        position_sigma: of a position, metres.
        rotation_sigma: of an orientation, radians.
        max_log_sigma: points whose ln depth is known less well are left out: too little parallax.
        max_residual: standard deviations on the image, root mean square, beyond which a track is wrong.
        max_step: metres from one image to the next, beyond which a pose has jumped.
        memory: see `AnchorMeasurement.memory`.
        shared_memory: likewise.
    """

    pixel_sigma: float = 1.5
    scale_sigma: float = 0.02
    way_sigma: float = 0.02
    position_sigma: float = 0.007
    rotation_sigma: float = 0.0035
    max_log_sigma: float = 0.25
    max_residual: float = 2.5
    max_step: float = 0.5
    memory: float = 0.2
    shared_memory: float = 0.3


class OdometryAnchor:
    """Tracks a camera's images and triangulates with its poses. One object for each camera, images in their order.

    `track` needs the image and is meant for a thread of its own; `measure` takes a few milliseconds.

    Args:
        settings: how well the motion is known.
    """

    def __init__(self, settings: OdometrySettings | None = None) -> None:
        self.settings = settings or OdometrySettings()
        self._window = TrackWindow()
        self._gap: AnchorGap | None = AnchorGap.STARTING

    def track(
        self,
        image: npt.NDArray[np.uint8],
        pose: npt.NDArray[np.floating] | None,
        seconds: float,
        excluded: npt.NDArray[np.bool_] | None = None,
    ) -> None:
        """Track into an image.

        Args:
            image: (H, W) uint8 grey or (H, W, 3) RGB, rectified.
            pose: (4, 4), coordinates of the camera's optical frame to those of a frame that does not move; None where
                it is not known.
            seconds: stamp of the image.
            excluded: (h, w) bool: people and other movers.
        """
        self._gap = None
        if pose is None or not np.isfinite(pose).all():
            self._window.clear()  # tracks without pose are of no use, and a gap in time breaks them
            self._gap = AnchorGap.NO_POSE
            return
        pose = np.asarray(pose, dtype=np.float64)
        before = self._window.current
        if before is not None and np.linalg.norm(pose[:3, 3] - before.context[:3, 3]) > self.settings.max_step:
            self._window.clear()
            self._gap = AnchorGap.POSE_JUMP
        self._window.add(image, seconds, pose, excluded)

    def measure(self, intrinsics: Intrinsics) -> AnchorMeasurement:
        """Depths of tracked points in the image that was tracked last.

        Args:
            intrinsics: of that image, at its size.
        """
        size = (intrinsics.width, intrinsics.height)
        if self._gap is not None or self._window.current is None:
            return nothing("odometry", self._gap or AnchorGap.STARTING, size)
        pixels, seen, certainty, poses = self._window.observations(1)
        if not poses:
            return nothing("odometry", AnchorGap.STARTING, size)
        if len(pixels) < MIN_TRACKS:
            return nothing("odometry", AnchorGap.FEW_TRACKS, size)
        motions = np.linalg.inv(np.stack(poses)) @ self._window.current.context
        settings = self.settings
        rays, there = rays_of(pixels, intrinsics), rays_of(seen, intrinsics)
        inverse = triangulated(rays, there, motions, certainty)
        problem = BundleProblem(
            rays,
            there,
            motions,
            _motion_covariance(motions, settings),
            certainty,
            settings.pixel_sigma * intrinsics.width / 640.0 / intrinsics.focal,
            -np.log(np.clip(inverse, 0.02, 5.0)),
            1.0,
        )
        return measured("odometry", pixels, adjusted(problem), settings, size)


def measured(
    source: AnchorSource,
    pixels: Array,
    result: BundleResult,
    settings: OdometrySettings,
    size: tuple[int, int],
    metric: bool = True,
) -> AnchorMeasurement:
    """The points of an adjusted window that can be relied on."""
    fitting = result.residual < settings.max_residual
    if fitting.mean() < 0.5 or result.motion_change > 9.0:
        return nothing(source, AnchorGap.INCONSISTENT, size)
    certainty = 1.0 / (result.variance + (result.modes**2).sum(axis=1))
    # Where metres are the network's own, what all depths have in common is not to be known.
    common = 0.0 if metric else certainty @ result.modes / certainty.sum()
    known = np.sqrt(result.variance + ((result.modes - common) ** 2).sum(axis=1)) < settings.max_log_sigma
    inside = ((pixels >= 0) & (pixels <= (size[0] - 1, size[1] - 1))).all(axis=1)
    kept = fitting & known & inside & (np.abs(result.log_depth) < 4.0)
    if kept.sum() < MIN_TRACKS:
        return nothing(source, AnchorGap.NO_MOTION, size)
    factor, variance = _one_factor(result, kept)
    # Motions that had to be changed by more than was said to be likely are worse than was said.
    factor *= np.sqrt(max(1.0, result.motion_change))
    return AnchorMeasurement(
        source,
        size,
        pixels[kept],
        np.exp(result.log_depth[kept]),
        variance,
        np.full((int(kept.sum()), 1), factor),
        metric=metric,
        memory=settings.memory,
        shared_memory=settings.shared_memory,
        exact=False,
        triangulated=True,
    )


def _one_factor(result: BundleResult, kept: npt.NDArray[np.bool_]) -> tuple[float, Array]:
    """Standard deviation of the factor that all depths are off by, and (N,) variance of each point kept beside it.

    What else is in `BundleResult.modes` grows with depth or leans to one side, as a network's own errors do. An
    estimator that is to choose between the two blames the motion, and takes the factor from where its error would be 0,
    which no point is near: it counts as the points' own.
    """
    modes = result.modes[kept]
    factor = float(np.linalg.norm(modes.mean(axis=0)))
    return factor, result.variance[kept] + np.maximum((modes**2).sum(axis=1) - factor**2, 0.0)


def rays_of(pixels: Array, k: Intrinsics) -> Array:
    """(..., 2) x / z and y / z of pixels (..., 2)."""
    return (pixels - (k.cx, k.cy)) / (k.fx, k.fy)


def _motion_covariance(motions: Array, settings: OdometrySettings) -> Array:
    """(6 F, 6 F) of rotation vectors and translations: one scale for all ways, and noise of every pose.

    The pose of the current image is in all motions, so that what is wrong with it is not averaged out over keyframes.
    With errors ``e`` of the current camera and ``e_k`` of a keyframe, each in its own coordinates, ``X_k = (I + e_k)
    (R_k (I + e) X + t_k)``.
    """
    frames = len(motions)
    covariance = np.zeros((frames, 6, frames, 6))
    way = motions[:, :3, 3]
    length = np.linalg.norm(way, axis=1)
    pose = np.diag([settings.rotation_sigma**2] * 3 + [settings.position_sigma**2] * 3)
    turned = np.zeros((frames, 6, 6))
    turned[:, :3, :3] = turned[:, 3:, 3:] = motions[:, :3, :3]
    covariance += np.einsum("kab,bc,ldc->kald", turned, pose, turned)
    for number in range(frames):
        own = np.eye(6)
        own[3:, :3] = np.cross(np.eye(3), way[number]).T  # a turn of the keyframe moves the way as well
        covariance[number, :, number] += own @ pose @ own.T
        covariance[number, 3:, number, 3:] += (settings.way_sigma * length[number]) ** 2 * np.eye(3)
    covariance[:, 3:, :, 3:] += settings.scale_sigma**2 * way[:, :, None, None] * way[None, None]
    return covariance.reshape(6 * frames, 6 * frames)
