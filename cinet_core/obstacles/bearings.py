"""Bearings around the base within which the camera sees, divided into equal steps: those of the scan and of cliffs."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cinet_core.obstacles.pixel_grid import PixelGrid
from cinet_core.obstacles.settings import ObstacleSettings

__all__ = ["Bearings", "seen_bearings"]

_DISTANCES = (0.25, 0.5, 1.0)
"""Shares of max_range at which the border of the view is looked at: the camera stands beside the base's origin."""


@dataclass(frozen=True)
class Bearings:
    """Steps of bearing, counterclockwise from the base's x.

    Attributes:
        first: radians, the middle of the first step.
        step: radians.
        count: how many.
    """

    first: float
    step: float
    count: int

    @property
    def middles(self) -> npt.NDArray[np.float64]:
        """(count,) radians, the middle of each step."""
        return self.first + self.step * np.arange(self.count, dtype=np.float64)

    def of(self, points: npt.NDArray[np.floating]) -> npt.NDArray[np.intp]:
        """Return (N,) the step that each of (N, 2 or more) points is in, seen from the base; -1 for none."""
        bearing = np.arctan2(points[:, 1], points[:, 0])
        turned = np.mod(bearing - self.first + 0.5 * self.step, 2.0 * math.pi)
        number = (turned / self.step).astype(np.intp)
        return np.where(number < self.count, number, -1)


def seen_bearings(grid: PixelGrid, settings: ObstacleSettings) -> Bearings:
    """Return the bearings that a camera sees; they depend on nothing but its intrinsics, its pose and the settings."""
    h, w = grid.depth.shape
    rows, columns = grid.rows[[0, h // 2, -1]], grid.columns[[0, w // 4, w // 2, 3 * w // 4, -1]]
    optical = np.stack(
        [np.tile(columns, len(rows)), np.repeat(rows, len(columns)), np.ones(len(rows) * len(columns))], axis=1
    )
    rays = optical @ grid.rotation.T.astype(np.float64)
    step = math.radians(settings.scan_step)
    flat = np.hypot(rays[:, 0], rays[:, 1])
    axis = grid.rotation[:2, 2].astype(np.float64)
    if (flat < 1e-2).any() or np.hypot(*axis) < 0.2 or (rays[:, :2] @ axis <= 0).any():
        return Bearings(-math.pi, step, round(2 * math.pi / step))  # it looks straight down: all around
    ahead = math.atan2(axis[1], axis[0])
    ends = [grid.origin[:2] + rays[:, :2] / flat[:, None] * share * settings.max_range for share in _DISTANCES]
    points = np.concatenate(ends)
    turned = np.mod(np.arctan2(points[:, 1], points[:, 0]) - ahead + math.pi, 2 * math.pi) - math.pi
    first = math.floor((ahead + turned.min()) / step)
    last = math.ceil((ahead + turned.max()) / step)
    count = min(last - first + 1, round(2 * math.pi / step))
    return Bearings(first * step, step, count)
