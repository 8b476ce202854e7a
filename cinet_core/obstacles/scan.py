"""A laser scan of a frame: the nearest obstacle of each bearing, for those who know nothing else."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cinet_core.obstacles.bearings import Bearings, seen_bearings
from cinet_core.obstacles.segmented import FLYING, STANDING, UNKNOWN, SegmentedFrame

__all__ = ["LaserScan", "laser_scan"]

EVERY = 2
"""Rows whose rays are asked whether a bearing is free: half of them tell as much."""


@dataclass(frozen=True, eq=False)
class LaserScan:
    """Distances on the floor from the base's origin, as sensor_msgs/LaserScan has them.

    Attributes:
        bearings: of the distances; counterclockwise from the base's x.
        ranges: (count,) float32 metres to the nearest obstacle within the scan's heights; infinite where the camera
            sees that there is none up to `max_range`; NaN where it does not know.
        min_range: metres.
        max_range: metres.
    """

    bearings: Bearings
    ranges: npt.NDArray[np.float32]
    min_range: float
    max_range: float


def laser_scan(segmented: SegmentedFrame) -> LaserScan:
    """Return the scan of a frame.

    A bearing is free where rays that pass ``max_range`` between the floor and ``scan_max_height`` end beyond it, and
    are no fewer than those of unknown depth, flying ones included. Where floor is seen, but not so far, it is unknown:
    a scan cannot say "free up to here"; `ground_points` can.
    """
    grid, settings = segmented.grid, segmented.settings
    bearings = seen_bearings(grid, settings)
    ranges = np.full(bearings.count, np.inf, dtype=np.float32)
    standing = segmented.pixels(STANDING)
    heights = segmented.heights.ravel()[standing]
    standing = standing[(heights >= settings.scan_min_height) & (heights <= settings.scan_max_height)]
    points = grid.points(standing)
    distance = np.hypot(points[:, 0], points[:, 1])
    number = bearings.of(points)
    hit = (distance <= settings.max_range) & (number >= 0)
    np.minimum.at(ranges, number[hit], distance[hit])
    free, unknown = _rays_at_the_limit(segmented, bearings)
    ranges[np.isinf(ranges) & ((free == 0) | (free < unknown))] = np.nan
    return LaserScan(bearings, ranges, settings.min_range, settings.max_range)


def _rays_at_the_limit(
    segmented: SegmentedFrame, bearings: Bearings
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """(count,) how many rays of each bearing pass max_range at the scan's heights, and how many of these might."""
    grid, settings = segmented.grid, segmented.settings
    rays = np.stack([grid.slopes(axis)[::EVERY] for axis in np.eye(3)], axis=-1).reshape(-1, 3)
    kinds, depth = segmented.kinds[::EVERY].ravel(), grid.depth[::EVERY].ravel()
    # Where each ray is over the circle of max_range around the base, to the first order in the camera's place.
    flat = np.maximum(np.hypot(rays[:, 0], rays[:, 1]), 1e-6)
    forward = (rays[:, 0] * grid.origin[0] + rays[:, 1] * grid.origin[1]) / flat
    limit = (settings.max_range - forward) / flat
    ends = rays * limit[:, None] + grid.origin
    heights = segmented.ground.heights_of(ends)
    passing = (heights >= 0.0) & (heights <= settings.scan_max_height)
    number = bearings.of(ends)
    passing &= number >= 0
    unknown = passing & ((kinds == UNKNOWN) | (kinds == FLYING))
    free = passing & ~unknown & (depth >= limit)
    count = bearings.count
    return np.bincount(number[free], minlength=count), np.bincount(number[unknown], minlength=count)
