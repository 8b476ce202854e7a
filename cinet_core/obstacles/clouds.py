"""Points of a segmented frame in the base frame: obstacles, and the floor that is seen, thinned on a grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cinet_core.label_sets import UNLABELLED
from cinet_core.obstacles.segmented import ABOVE, BELOW, GROUND, STANDING, SegmentedFrame

__all__ = ["ObstaclePoints", "free_points", "ground_points", "obstacle_points"]


@dataclass(frozen=True, eq=False)
class ObstaclePoints:
    """Points that a robot would run into.

    Attributes:
        xyz: (N, 3) float32 metres in the base frame; finite.
        labels: (N,) uint8 class ids; 255 = unlabelled.
        confidence: (N,) float32 from 0 to 1, how sure the network is of the label; 0 where it has none, and 1
            where the frame had no confidence.
        dynamic: (N,) bool, whether the class moves by itself.
        pixels: (N,) indices into the raveled grid of the pixels that they are of.
    """

    xyz: npt.NDArray[np.float32]
    labels: npt.NDArray[np.uint8]
    confidence: npt.NDArray[np.float32]
    dynamic: npt.NDArray[np.bool_]
    pixels: npt.NDArray[np.intp]

    def __len__(self) -> int:
        """How many."""
        return len(self.labels)

    def static_part(self) -> ObstaclePoints:
        """The points of classes that do not move by themselves."""
        return self._part(~self.dynamic)

    def dynamic_part(self) -> ObstaclePoints:
        """The points of classes that do."""
        return self._part(self.dynamic)

    def _part(self, chosen: npt.NDArray[np.bool_]) -> ObstaclePoints:
        return ObstaclePoints(
            self.xyz[chosen], self.labels[chosen], self.confidence[chosen], self.dynamic[chosen], self.pixels[chosen]
        )


def obstacle_points(segmented: SegmentedFrame) -> ObstaclePoints:
    """Return the obstacles within ``max_range``: of each cell of the thinning grid the point nearest to the camera."""
    grid = segmented.grid
    pixels = _thinned(segmented, STANDING)
    labels = grid.labels.ravel()[pixels]
    sure = grid.confidence_of(pixels)
    confidence = np.full(len(pixels), 255.0, np.float32) if sure is None else sure.astype(np.float32)
    confidence /= np.float32(255.0)
    confidence[labels == UNLABELLED] = 0.0
    return ObstaclePoints(grid.points(pixels), labels, confidence, segmented.groups.dynamic[labels], pixels)


def ground_points(segmented: SegmentedFrame) -> npt.NDArray[np.float32]:
    """Return (N, 3) float32 metres in the base frame: floor that is seen within ``max_range``, one point a cell.

    For clearing: between the camera and such a point nothing stands.
    """
    return segmented.grid.points(_thinned(segmented, GROUND))


def free_points(segmented: SegmentedFrame) -> npt.NDArray[np.float32]:
    """Return (N, 3) float32 metres in the base frame: where rays end along which nothing stands, one ray a cell.

    For clearing in three dimensions, where rays to the floor leave what was marked above them: beside the floor that is
    seen these are what is passed under, and where rays that go on leave ``max_range``.
    """
    grid, settings = segmented.grid, segmented.settings
    kinds = segmented.kinds
    rays = np.flatnonzero((kinds == ABOVE) | (kinds == STANDING) | (kinds == BELOW))
    points = grid.points(rays)
    inside = np.hypot(points[:, 0], points[:, 1]) <= settings.max_range
    # What stands within range ends its ray, and is no floor; what is below it is looked at through the floor's plane.
    points = points[~inside | (kinds.ravel()[rays] == ABOVE)]
    points = np.concatenate([_cut(points, grid.origin, settings.max_range), _far_floor(segmented)])
    cells = np.floor(points / np.float32(settings.cell)).astype(np.int64)
    _, first = np.unique(cells @ np.array([1 << 40, 1 << 20, 1]), return_index=True)
    return np.concatenate([ground_points(segmented), points[first]])


def _far_floor(segmented: SegmentedFrame) -> npt.NDArray[np.float32]:
    """Where rays to floor beyond the range leave it."""
    grid, settings = segmented.grid, segmented.settings
    points = grid.points(segmented.pixels(GROUND))
    return _cut(points[np.hypot(points[:, 0], points[:, 1]) > settings.max_range], grid.origin, settings.max_range)


def _cut(points: npt.NDArray[np.float32], origin: npt.NDArray[np.float32], max_range: float) -> npt.NDArray[np.float32]:
    """Points no farther from the base on the floor than the range: else where their rays from the origin leave it."""
    ray = points[:, :2] - origin[:2]
    # |origin + t ray| = max_range, of which the larger t is ahead of a camera that is within range.
    square = np.maximum((ray * ray).sum(axis=1), np.float32(1e-12))
    half = ray @ origin[:2]
    rest = np.maximum(half * half - square * np.float32(float(origin[:2] @ origin[:2]) - max_range**2), 0.0)
    share = np.minimum((np.sqrt(rest) - half) / square, np.float32(1.0))
    return (origin + share[:, None] * (points - origin)).astype(np.float32)


def _thinned(segmented: SegmentedFrame, kind: np.uint8) -> npt.NDArray[np.intp]:
    """The nearest pixel of this kind in each cell, in their order in the image.

    A pixel is out where a neighbour of its own cell is nearer, which leaves few on a surface.
    """
    grid, settings = segmented.grid, segmented.settings
    across, along, high = settings.grid_shape
    is_kind = segmented.kinds == kind
    in_rows = np.flatnonzero(is_kind.any(axis=1))
    if len(in_rows) == 0:
        return in_rows
    rows = slice(int(in_rows[0]), int(in_rows[-1]) + 1)
    # In cells, from a corner of the numbered ones on: what is within range is positive, and its truncation its floor.
    x, y, z = (
        grid.coordinates(axis / settings.cell, rows, cells / 2)
        for axis, cells in zip(np.eye(3), (across, along, high), strict=True)
    )
    depth = grid.depth[rows]
    number = z.astype(np.int32)
    np.clip(number, 0, high - 1, out=number)
    for coordinates, cells in ((y, along), (x, across)):
        number *= np.int32(cells)
        number += coordinates.astype(np.int32)
        coordinates -= np.float32(cells / 2)
        coordinates *= coordinates
    x += y
    wanted = x <= np.float32((settings.max_range / settings.cell) ** 2)
    wanted &= is_kind[rows]
    np.copyto(number, np.int32(-1), where=~wanted)
    for one, other in ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:])):
        same = number[one] == number[other]
        farther = same & (depth[one] > depth[other])
        wanted[one] &= ~farther
        wanted[other] &= ~(same ^ farther)
    pixels = np.flatnonzero(wanted)
    return pixels[_first_of_cells(number.ravel()[pixels], depth.ravel()[pixels])] + rows.start * grid.depth.shape[1]


def _first_of_cells(number: npt.NDArray[np.int32], depth: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    """(N,) bool: the nearest of each cell, of equally near ones the first. Without a sort: in time linear in N."""
    if len(number) == 0:
        return np.zeros(0, dtype=np.bool_)
    number = number - number.min()
    places = np.arange(len(number), dtype=np.int32)
    # Each cell is known by one of its own from here on: what is read of this table has just been written.
    table = np.empty(int(number.max()) + 1, dtype=np.int32)
    table[number] = places
    cell = table[number]
    # Depth above 0 has an order as an integer, too. Below it the place, which is one of fewer than 2^31.
    order = depth.view(np.int32).astype(np.int64) << 32 | places
    first = order.copy()
    np.minimum.at(first, cell, order)
    return first[cell] == order
