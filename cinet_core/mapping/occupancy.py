"""Occupancy grids for navigation: the points of a map, projected to the floor as free, occupied and unknown cells."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cinet_core.label_sets import LabelSet
from cinet_core.mapping.floor import FLOOR_TOLERANCE, class_table, fit_floor, floor_height, unit_vector, upright_axes
from cinet_core.mapping.map_points import MapPoints

UNKNOWN, FREE, OCCUPIED = -1, 0, 100
"""As nav_msgs/OccupancyGrid has them."""

MAX_CELLS = 4_000_000
"""100 m by 100 m at 5 cm: points far out must not make a grid of any size."""


@dataclass(frozen=True)
class OccupancyGrid2D:
    """A grid of cells on the plane of the floor.

    Attributes:
        cells: (rows, columns) int8: `UNKNOWN`, `FREE` or `OCCUPIED`. Columns run along the grid's x, rows along its y.
        resolution: metres, a cell's width.
        origin: (3,) float64 metres, in the map's frame: on the floor, the outer corner of cell (0, 0).
        rotation: (3, 3) float64, grid to map: its columns are the grid's x, y and up in the map's frame. For a map
            whose z is up it is the identity.
    """

    cells: npt.NDArray[np.int8]
    resolution: float
    origin: npt.NDArray[np.float64]
    rotation: npt.NDArray[np.float64]


def occupancy(
    points: MapPoints,
    label_set: LabelSet,
    up: npt.ArrayLike = (0.0, 0.0, 1.0),
    height: float | None = None,
    resolution: float = 0.05,
    robot_height: float = 1.0,
    clearance: float = 0.08,
    min_points: int = 2,
) -> OccupancyGrid2D:
    """Project the points of a map to an occupancy grid for navigation.

    A cell is occupied where at least ``min_points`` points stand between ``clearance`` and ``robot_height`` above the
    floor, whatever their class (ceiling excepted): also what nothing voted on is in the way. Otherwise it is free
    where at least one point of the floor's classes lies near the floor's height. All other cells are unknown; what is
    higher than the robot is passed under.

    Args:
        points: of the map.
        label_set: label set of the points.
        up: (3,) away from the floor, in the map's frame; any length.
        height: of the floor along ``up``, metres; None: the median of the points of the floor's classes.
        resolution: metres, a cell's width.
        robot_height: metres above the floor.
        clearance: metres above the floor that the robot drives over.
        min_points: fewer in a cell are noise.

    Returns:
        A grid that just holds all free and occupied cells.

    Raises:
        ValueError: a setting is out of range, no floor was seen and no height is given, nothing is near the floor, or
            the grid would have more than `MAX_CELLS` cells.
    """
    _check_settings(resolution, robot_height, clearance, min_points)
    direction = unit_vector(up)
    if height is None:
        height = floor_height(points, label_set, direction)
    rotation = upright_axes(direction)
    local = points.xyz.astype(np.float64) @ rotation
    above = local[:, 2] - height
    of_floor = class_table(label_set, "floor")[points.labels]
    of_ceiling = class_table(label_set, "ceiling")[points.labels]
    free = of_floor & (np.abs(above) <= FLOOR_TOLERANCE)
    in_the_way = ~free & ~of_ceiling & (above > clearance) & (above <= robot_height)
    if not (free | in_the_way).any():
        raise ValueError(
            f"none of {len(points)} points is floor, or up to {robot_height:g} m above it (at {height:.2f} m along "
            f"{np.round(direction, 3).tolist()}): is up right?"
        )
    cells, first = _cells(local[:, :2], free, in_the_way, resolution, min_points)
    origin = rotation @ np.array([*(first * resolution), height])
    return OccupancyGrid2D(cells, resolution, origin, rotation)


def _check_settings(resolution: float, robot_height: float, clearance: float, min_points: int) -> None:
    if not 0.005 <= resolution <= 10.0:
        raise ValueError(f"resolution is {resolution} m: it must be from 0.005 to 10 m")
    if not 0.0 < clearance < robot_height < math.inf:
        raise ValueError(f"clearance is {clearance} m and robot_height {robot_height} m: 0 < clearance < robot_height")
    if min_points < 1:
        raise ValueError(f"min_points is {min_points}: it must be at least 1")


def _cells(
    xy: npt.NDArray[np.float64],
    free: npt.NDArray[np.bool_],
    in_the_way: npt.NDArray[np.bool_],
    resolution: float,
    min_points: int,
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.int64]]:
    """The cells (rows, columns), and the number (x, y) of the first from the map's origin."""
    used = free | in_the_way
    number = np.floor(xy[used] / resolution).astype(np.int64)
    first = number.min(axis=0)
    columns, rows = (int(size) for size in number.max(axis=0) - first + 1)
    if columns * rows > MAX_CELLS:
        raise ValueError(
            f"the grid would have {columns} x {rows} cells, the limit is {MAX_CELLS}: raise resolution (now "
            f"{resolution:g} m)"
        )
    flat = (number[:, 1] - first[1]) * columns + number[:, 0] - first[0]
    size = columns * rows
    standing = np.bincount(flat[in_the_way[used]], minlength=size)
    lying = np.bincount(flat[free[used]], minlength=size)
    cells = np.full(size, UNKNOWN, dtype=np.int8)
    cells[lying > 0] = FREE
    cells[standing >= min_points] = OCCUPIED
    return cells.reshape(rows, columns), first


__all__ = ["FREE", "OCCUPIED", "UNKNOWN", "OccupancyGrid2D", "fit_floor", "occupancy"]
