"""Errors of an odometry, put onto poses that a recording has without them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from cinet_core.poses import PoseBuffer

__all__ = ["OdometryErrors"]


@dataclass(frozen=True)
class OdometryErrors:
    """Errors that the recorded poses are given before the anchor *odometry* sees them.

    Attributes:
        noise: of each step's translation, as a part of its length (standard deviation, each axis).
        scale: of all translations, a factor.
        delay: seconds by which poses are older than their stamp says.
        slip: for one second in the middle, the wheels say 0.3 m/s forward in place of the truth.

    Raises:
        ValueError: a value is negative or not finite.
    """

    noise: float = 0.0
    scale: float = 1.0
    delay: float = 0.0
    slip: bool = False

    def __post_init__(self) -> None:
        """Refuse what is no error of an odometry."""
        for name in ("noise", "scale", "delay"):
            value = getattr(self, name)
            if not 0 <= value < math.inf:
                raise ValueError(f"{name} is {value}: it must be 0 or above, and finite")
        if self.scale == 0:
            raise ValueError("scale is 0: it must be above 0")

    def applied(self, poses: npt.NDArray[np.float64], seconds: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """(N, 4, 4) poses with these errors; NaN where a pose is not known."""
        poses = _delayed(poses, seconds, self.delay) if self.delay else poses
        random = np.random.default_rng(0)
        middle = 0.5 * (seconds[0] + seconds[-1])
        found = poses.copy()
        for place in range(1, len(poses)):
            step = np.linalg.inv(poses[place - 1]) @ poses[place]
            if not np.isfinite(step).all() or not np.isfinite(found[place - 1]).all():
                continue
            way = step[:3, 3]
            way = way * self.scale + random.normal(0, self.noise * float(np.linalg.norm(way)), 3)
            if self.slip and abs(seconds[place] - middle) < 0.5:
                way = np.array([0.0, 0.0, 0.3 * (seconds[place] - seconds[place - 1])])
            step[:3, 3] = way
            found[place] = found[place - 1] @ step
        return found


def _delayed(poses: npt.NDArray[np.float64], seconds: npt.NDArray[np.float64], delay: float) -> npt.NDArray[np.float64]:
    """The poses of a moment earlier, under the same stamps."""
    buffer = PoseBuffer(max_gap=1.0, max_length=max(len(poses), 2))
    for pose, stamp in zip(poses, seconds, strict=True):
        if np.isfinite(pose).all():
            buffer.add(round(stamp * 1e9), pose[:3, 3], _quaternion(pose[:3, :3]))
    found = np.full_like(poses, np.nan)
    for one, stamp in zip(found, seconds, strict=True):
        pose = buffer.at(round((stamp - delay) * 1e9))
        if hasattr(pose, "matrix"):
            one[:] = pose.matrix()
    return found


def _quaternion(rotation: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    vector = cv2.Rodrigues(rotation)[0].ravel()
    angle = float(np.linalg.norm(vector))
    axis = vector / angle if angle > 1e-12 else vector
    return np.append(axis * math.sin(angle / 2), math.cos(angle / 2))
