"""The essentials of a costmap: marked by obstacles, cleared by floor and by scan, and planned in."""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from cinet_core.obstacles.clouds import ground_points, obstacle_points
from cinet_core.obstacles.scan import laser_scan
from cinet_core.obstacles.segmented import SegmentedFrame

__all__ = ["CELL", "Costmap", "Pose2D", "plan"]

CELL = 0.05
FREE, UNKNOWN, LETHAL = 0, 1, 2

Pose2D = tuple[float, float, float]
"""x, y in metres and yaw in radians, in the odometry's frame."""

_STEPS = tuple((i, j, math.hypot(i, j)) for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j)


@dataclass(eq=False)
class Costmap:
    """Cells of 5 cm over a room.

    Attributes:
        length, width: metres, along x and y from the origin.
        cells: (length, width) uint8: `FREE`, `UNKNOWN` or `LETHAL`.
    """

    length: float
    width: float
    cells: npt.NDArray[np.uint8] = field(init=False)

    def __post_init__(self) -> None:
        """Begin with nothing known."""
        self.cells = np.full((round(self.length / CELL), round(self.width / CELL)), UNKNOWN, dtype=np.uint8)

    def update(self, segmented: SegmentedFrame, pose: Pose2D) -> None:
        """Clear what the frame shows to be free, then mark what it shows to be in the way."""
        scan = laser_scan(segmented)
        known = ~np.isnan(scan.ranges)
        limits = np.minimum(scan.ranges, scan.max_range)[known] - 1.5 * CELL
        steps = np.arange(0.0, scan.max_range, 0.8 * CELL)
        bearing = np.broadcast_to(scan.bearings.middles[known, None], (known.sum(), len(steps)))
        before = steps[None] < limits[:, None]
        along = np.broadcast_to(steps[None], bearing.shape)[before]
        rays = np.stack([along * np.cos(bearing[before]), along * np.sin(bearing[before])], axis=1)
        for points, value in ((rays, FREE), (ground_points(segmented), FREE), (obstacle_points(segmented).xyz, LETHAL)):
            cells = self.cell_of(_to_fixed(points[:, :2], pose))
            cells = cells[((cells >= 0) & (cells < self.cells.shape)).all(axis=1)]
            self.cells[cells[:, 0], cells[:, 1]] = value

    def clear(self) -> None:
        """Forget everything, as Nav2's ``clear_entirely_global_costmap`` does."""
        self.cells[:] = UNKNOWN

    def clear_footprint(self, pose: Pose2D, radius: float) -> None:
        """Clear the cells that a round robot stands on: `footprint_clearing_enabled`, on by default in Nav2."""
        rows, columns = ((np.arange(count) + 0.5) * CELL for count in self.cells.shape)
        self.cells[np.hypot(rows[:, None] - pose[0], columns[None] - pose[1]) < radius] = FREE

    def cell_of(self, points: npt.NDArray[np.floating]) -> npt.NDArray[np.intp]:
        """(N, 2) the cells of (N, 2) metres."""
        return np.floor(points / CELL).astype(np.intp)

    def clearance(self) -> npt.NDArray[np.float32]:
        """Metres from each cell to the nearest lethal one."""
        padded = np.pad((self.cells != LETHAL).astype(np.uint8), 1)  # the room ends there
        return cv2.distanceTransform(padded, cv2.DIST_L2, 5)[1:-1, 1:-1] * np.float32(CELL)


def plan(
    clearance: npt.NDArray[np.float32],
    start: tuple[int, int],
    goal: tuple[int, int],
    radius: float,
    tolerance: float = 0.0,
) -> list[tuple[int, int]] | None:
    """Return the cells of the cheapest way, or None where there is none: A* on eight neighbours.

    Costs fall with the distance from obstacles, as Nav2's inflation layer has them. A start that is too near to an
    obstacle may leave it.

    Args:
        clearance: metres from each cell to the nearest obstacle.
        start, goal: cells.
        radius: metres that the way keeps from obstacles.
        tolerance: metres; where the goal is not to be reached, the way leads to the cell nearest to it within so much,
            as that of Nav2's NavFn does.
    """
    cost = np.where(clearance <= radius, np.inf, 1.0 + 8.0 * np.exp(-6.0 * (clearance - radius)))
    best, parent, done = {start: 0.0}, {start: start}, set()
    queue = [(math.dist(start, goal), start)]
    while queue:
        _, cell = heapq.heappop(queue)
        if cell == goal:
            return _traced(parent, cell)
        if cell in done:
            continue
        done.add(cell)
        for i, j, length in _STEPS:
            other = (cell[0] + i, cell[1] + j)
            if not (0 <= other[0] < cost.shape[0] and 0 <= other[1] < cost.shape[1]):
                continue
            step = float(cost[other])
            if step == math.inf and clearance[other] > clearance[cell] and clearance[cell] <= radius:
                step = 20.0
            reached = best[cell] + length * step
            if reached < best.get(other, math.inf):
                best[other], parent[other] = reached, cell
                heapq.heappush(queue, (reached + math.dist(other, goal), other))
    near = min(done, key=lambda cell: math.dist(cell, goal))
    return _traced(parent, near) if math.dist(near, goal) * CELL <= tolerance else None


def _traced(parent: dict[tuple[int, int], tuple[int, int]], cell: tuple[int, int]) -> list[tuple[int, int]]:
    """The cells from the start to this one."""
    way = [cell]
    while parent[way[-1]] != way[-1]:
        way.append(parent[way[-1]])
    return way[::-1]


def _to_fixed(points: npt.NDArray[np.floating], pose: Pose2D) -> npt.NDArray[np.float64]:
    x, y, yaw = pose
    turn = np.array([[math.cos(yaw), math.sin(yaw)], [-math.sin(yaw), math.cos(yaw)]])
    return points @ turn + (x, y)
