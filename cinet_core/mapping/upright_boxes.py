"""Boxes that stand upright: how far points are from one, and what lies within."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cinet_core.obstacles.instances import upright_box

__all__ = ["UprightBox"]


@dataclass(frozen=True, eq=False)
class UprightBox:
    """A box whose third axis is z.

    Attributes:
        centre: (3,) float64 metres.
        size: (3,) float64 metres: length along the yaw, width to its left, height.
        yaw: radians from x towards y to the box's length, from -pi/2 to pi/2.
    """

    centre: npt.NDArray[np.float64]
    size: npt.NDArray[np.float64]
    yaw: float

    @classmethod
    def around(cls, points: npt.NDArray[np.float32]) -> UprightBox:
        """The box of (N, 3) points, at least one, that `upright_box` finds."""
        return cls(*upright_box(points))

    def distances(self, points: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """(N,) metres from the box of (N, 3) points, 0 for those within."""
        return np.sqrt((self._outside(points) ** 2).sum(axis=1))

    def share_below(self, points: npt.NDArray[np.floating]) -> float:
        """How many of (N, 3) points are in, above or below the box, as a share."""
        return float((self._outside(points)[:, :2] == 0.0).all(axis=1).mean())

    def between(self, other: UprightBox) -> float:
        """Metres of height between this box and another one, 0 where they share a height."""
        apart = abs(float(self.centre[2] - other.centre[2])) - float(self.size[2] + other.size[2]) / 2
        return max(0.0, apart)

    def _outside(self, points: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        along, left = math.cos(self.yaw), math.sin(self.yaw)
        turn = np.array([[along, -left, 0.0], [left, along, 0.0], [0.0, 0.0, 1.0]])
        return np.maximum(np.abs((points - self.centre) @ turn) - self.size / 2, 0.0)

    def holds(self, point: npt.NDArray[np.floating], margin: float) -> bool:
        """Whether a (3,) point is in the box, or no more than the margin from it."""
        return bool(self.distances(point[None])[0] <= margin)
