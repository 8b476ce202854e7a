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
        along, left = math.cos(self.yaw), math.sin(self.yaw)
        turn = np.array([[along, -left, 0.0], [left, along, 0.0], [0.0, 0.0, 1.0]])
        outside = np.maximum(np.abs((points - self.centre) @ turn) - self.size / 2, 0.0)
        return np.sqrt((outside**2).sum(axis=1))

    def holds(self, point: npt.NDArray[np.floating], margin: float) -> bool:
        """Whether a (3,) point is in the box, or no more than the margin from it."""
        return bool(self.distances(point[None])[0] <= margin)
