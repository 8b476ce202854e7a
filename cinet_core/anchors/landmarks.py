"""Landmarks: what windows found of the points that are tracked, remembered whatever the network says of each image.

A window of a few images knows a point as well as its short way allows, and all points are off by what its poses have in
common. Poses of other moments err otherwise. So each triangulated track is a landmark as long as it is tracked: a depth
in the current view, with an error of ln depth of its own and one that all share (`shared_errors`). Each new window is
one more measurement of the landmarks that it sees, in inverse depth, in which its error is even::

    y = 1 - rho' / rho,   rho = 1 / z of the landmark, rho' that of the window

Tracks that are new get what windows were found to be off by as a whole, so that the length of all depths is handed on
from tracks that end to those that begin. A pose carries a landmark into the next view, ``z' = (R x + t)_z``, and its
error by ``d ln z' = (R x)_z / z' d ln z``; the way there adds an error that all share. What matters of a pose's noise
is only its length by depth, 1 cm at 2 m, where the same noise in a window's way of 10 cm is a tenth of all its depths.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cinet_core.anchors.grid import Array
from cinet_core.anchors.measurement import AnchorMeasurement
from cinet_core.anchors.shared_errors import AGREEMENT, compressed, fused, one_factor
from cinet_core.geometry import Intrinsics

__all__ = ["LandmarkMap", "LandmarkSettings"]

NEAREST = 0.1
"""Metres in front of the camera, below which there is no landmark."""

FEWEST = 8
"""With fewer landmarks, a window is not compared with them."""

TURNED = 80.0
"""Pixels of an image 640 wide that all landmarks may be displaced by: poses that are late, while the camera turns."""

SURPRISE = 2.0
"""Standard deviations by which a window may differ as a whole; one that differs by more is the more uncertain."""

MISSES = 5
"""Windows by which a landmark may be contradicted before it begins anew."""


@dataclass(frozen=True)
class LandmarkSettings:
    """How landmarks are kept.

    Attributes:
        modes: shared errors that are kept as such.
        drift: of the odometry, a part of the way.
        position_sigma: of a pose, metres.
        own_sigma: of ln depth, that each landmark is known less well for itself after a second.
        least_sigma: of ln depth, below which no landmark is known.
        max_sigma: of ln depth, above which a landmark is not told.
        displaced: pixels of an image 640 wide, median, that tracks may be from where landmarks are expected, when what
            all have in common is taken off: beyond it the pose has jumped.
        contradiction: standard deviations by which windows may contradict the landmarks as a whole, averaged over
            `contradiction_seconds`.
        anew: standard deviation of the factor of all depths after that.
        memory: see `AnchorMeasurement.memory`, of what is told.
        shared_memory: likewise.
    """

    modes: int = 8
    drift: float = 0.02
    position_sigma: float = 0.007
    own_sigma: float = 0.01
    least_sigma: float = 0.01
    max_sigma: float = 0.25
    displaced: float = 12.0
    contradiction: float = 1.5
    contradiction_seconds: float = 1.0
    anew: float = 0.3
    memory: float = 1 / 15
    shared_memory: float = 1 / 15


class LandmarkMap:
    """The landmarks of one camera; images in their order: `move`, then `learn` where there is a window, then `told`.

    Args:
        settings: how they are kept.
    """

    def __init__(self, settings: LandmarkSettings | None = None) -> None:
        self.settings = settings or LandmarkSettings()
        self.clear()

    def clear(self) -> None:
        """Forget all of them, as after a jump of the pose."""
        self._numbers = np.zeros(0, np.int64)
        self._points = np.zeros((0, 3))  # in the coordinates of the current camera
        self._variance, self._modes = np.zeros(0), np.zeros((0, self.settings.modes))
        self._misses = np.zeros(0)
        self._pose: Array | None = None
        self._seconds = self._learnt = 0.0
        self._contradiction = self._slipped = 0.0

    def __len__(self) -> int:
        """How many."""
        return len(self._numbers)

    def move(
        self,
        pose: Array,
        seconds: float,
        numbers: npt.NDArray[np.int64],
        pixels: Array,
        intrinsics: Intrinsics,
        believed: bool = True,
    ) -> None:
        """Carry the landmarks into an image. Those that are not tracked in it are forgotten; all, if none is near.

        Args:
            pose: (4, 4), coordinates of the camera to those of a frame that does not move.
            seconds: stamp of the image.
            numbers: (T,) of all tracks in it, rising.
            pixels: (T, 2) of them.
            intrinsics: of the image.
            believed: False where the pose does not explain what the images show: the way may be any other.
        """
        before, elapsed = self._pose, seconds - self._seconds
        self._pose, self._seconds = pose, seconds
        if before is None or not len(self):
            return
        settings = self.settings
        motion = np.linalg.inv(pose) @ before
        turned = self._points @ motion[:3, :3].T
        points = turned + motion[:3, 3]
        _, known, tracked = np.intersect1d(self._numbers, numbers, assume_unique=True, return_indices=True)
        front = points[known, 2] > NEAREST
        known, tracked = known[front], tracked[front]
        turned, points, pixels = turned[known], points[known], pixels[tracked]
        focal, centre = (intrinsics.fx, intrinsics.fy), (intrinsics.cx, intrinsics.cy)
        if len(known):
            off = pixels - (points[:, :2] / points[:, 2:] * focal + centre)
            common = np.median(off, axis=0)
            unit = intrinsics.width / 640.0
            rest = float(np.median(np.abs(off - common)))
            if rest > settings.displaced * unit or float(np.linalg.norm(common)) > TURNED * unit:
                known = known[:0]
        if not len(known):
            self.clear()
            self._pose, self._seconds = pose, seconds
            return
        depth = points[:, 2]
        gain = np.clip(turned[:, 2] / depth, 1 / 3, 3.0)
        way = float(np.linalg.norm(motion[:3, 3]))
        # A slip goes on in one direction, so that its error adds up as the way does, not as its square does.
        error = settings.drift * way if believed else math.sqrt(way * (way + 2.0 * self._slipped))
        self._slipped = 0.0 if believed else self._slipped + way
        self._numbers, self._misses = self._numbers[known], self._misses[known]
        # Across the ray an image knows better than a pose: a landmark is where it is tracked.
        self._points = np.column_stack([(pixels - centre) / focal, np.ones(len(depth))]) * depth[:, None]
        self._variance, self._modes = compressed(
            self._variance[known] * gain**2 + settings.own_sigma**2 * max(elapsed, 0.0),
            np.column_stack([self._modes[known] * gain[:, None], error / depth]),
            settings.modes,
        )

    def learn(self, measurement: AnchorMeasurement, numbers: npt.NDArray[np.int64], rays: Array) -> None:
        """Take in what a window says.

        Args:
            measurement: of triangulated tracks in the current image.
            numbers: (N,) of its points' tracks, rising.
            rays: (N, 2) x / z and y / z of its points.
        """
        _, known, told = np.intersect1d(self._numbers, numbers, assume_unique=True, return_indices=True)
        new = np.ones(len(numbers), dtype=bool)
        new[told] = False
        depth = measurement.depth
        elapsed, self._learnt = max(self._seconds - self._learnt, 1e-3), self._seconds
        if len(known) >= FEWEST:
            ratio = self._points[known, 2] / depth[told]
            surprise = self._doubt(1.0 - ratio, known, measurement.modes[told], elapsed)
            # Of a window as a whole only the middle ratio counts: single ones have noise that is not shared.
            together = math.sqrt(max(1.0, measurement.shared_memory / elapsed)) * float(np.median(ratio))
            together *= max(1.0, surprise / SURPRISE)
            found = fused(
                self._variance,
                self._modes,
                known,
                1.0 - ratio,
                measurement.variance[told] * ratio**2,
                measurement.modes[told] * together,
                max(1.0, measurement.memory / elapsed),
            )
            self._points *= np.exp(np.clip(found.shift, -1.0, 1.0))[:, None]
            self._variance, self._modes = found.variance, found.modes
            missed = found.ratio > 1.5 * AGREEMENT
            self._misses[known] = np.where(missed, self._misses[known] + 1.0, np.maximum(self._misses[known] - 0.5, 0))
            depth = depth * np.exp(-np.clip(together * measurement.modes @ found.offset, -1.0, 1.0))
            extra = -together * measurement.modes @ found.factor
        else:  # nothing ties this window to the landmarks there are
            extra = np.column_stack([np.zeros((len(numbers), self._modes.shape[1])), -measurement.modes])
        self._join(numbers[new], rays[new], depth[new], measurement.variance[new], extra[new])

    def told(self, numbers: npt.NDArray[np.int64], pixels: Array, intrinsics: Intrinsics) -> AnchorMeasurement | None:
        """What the landmarks say about the image that they were moved into; None where they say nothing.

        Args:
            numbers: (T,) of all tracks in it, rising.
            pixels: (T, 2) of them.
            intrinsics: of the image.
        """
        settings, size = self.settings, (intrinsics.width, intrinsics.height)
        _, known, tracked = np.intersect1d(self._numbers, numbers, assume_unique=True, return_indices=True)
        places, depth, variance = pixels[tracked], self._points[known, 2], self._variance[known]
        modes = np.column_stack([self._modes[known], settings.position_sigma / depth])
        kept = ((places >= 0) & (places <= (size[0] - 1, size[1] - 1))).all(axis=1)
        kept &= variance + (modes**2).sum(axis=1) < settings.max_sigma**2
        if not kept.any():
            return None
        factor, variance = one_factor(variance[kept], modes[kept])
        return AnchorMeasurement(
            "odometry",
            size,
            places[kept],
            depth[kept],
            variance,
            np.full((len(variance), 1), factor),
            memory=settings.memory,
            shared_memory=settings.shared_memory,
            exact=False,
            triangulated=True,
        )

    def _doubt(self, off: Array, known: npt.NDArray[np.intp], modes: Array, elapsed: float) -> float:
        """Where windows contradict the landmarks for long, poses have slipped: their factor is to be learnt anew.

        Of each window counts the ratio of the median difference to its standard deviation, within three; that ratio,
        without its sign, is returned.
        """
        settings = self.settings
        variance = (self._modes[known].mean(axis=0) ** 2).sum() + (modes.mean(axis=0) ** 2).sum()
        surprise = float(np.median(off)) / math.sqrt(max(variance, 1e-6))
        ratio = min(max(surprise, -3.0), 3.0)
        kept = math.exp(-elapsed / settings.contradiction_seconds)
        self._contradiction = kept * self._contradiction + (1.0 - kept) * ratio
        if abs(self._contradiction) > settings.contradiction:
            self._contradiction = 0.0
            common = np.full(len(self), settings.anew)
            self._variance, self._modes = compressed(
                self._variance, np.column_stack([self._modes, common]), settings.modes
            )
            return 0.0
        return abs(surprise)

    def _join(self, numbers: npt.NDArray[np.int64], rays: Array, depth: Array, variance: Array, extra: Array) -> None:
        """Add landmarks, and forget those that windows contradict."""
        settings, kept = self.settings, self._misses < MISSES
        modes = np.pad(self._modes[kept], ((0, 0), (0, extra.shape[1] - self._modes.shape[1])))
        new = np.column_stack([rays, np.ones(len(rays))]) * depth[:, None]
        self._variance, self._modes = compressed(
            np.maximum(np.concatenate([self._variance[kept], variance]), settings.least_sigma**2),
            np.vstack([modes, extra]),
            settings.modes,
        )
        self._numbers = np.concatenate([self._numbers[kept], numbers])
        self._points = np.vstack([self._points[kept], new])
        self._misses = np.concatenate([self._misses[kept], np.zeros(len(numbers))])
