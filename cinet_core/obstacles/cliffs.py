"""Where the floor ends: stairs down and drop-offs, seen as pixels that lie below the floor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cinet_core.obstacles.bearings import seen_bearings
from cinet_core.obstacles.segmented import BELOW, SegmentedFrame

__all__ = ["Cliffs", "find_cliffs"]


@dataclass(frozen=True, eq=False)
class Cliffs:
    """Edges of the floor, one point a bearing at most.

    Attributes:
        xyz: (N, 3) float32 metres in the base frame, on the floor's plane: from here on there is no floor.
        drop: (N,) float32 metres that what is seen beyond lies below the floor, the median of the bearing.
        pixels: (N,) how many pixels saw it.
    """

    xyz: npt.NDArray[np.float32]
    drop: npt.NDArray[np.float32]
    pixels: npt.NDArray[np.intp]

    def __len__(self) -> int:
        """How many."""
        return len(self.drop)


def find_cliffs(segmented: SegmentedFrame) -> Cliffs:
    """Return where the floor ends.

    A ray that ends below the floor has crossed the floor's plane where no floor is. Of each bearing the nearest of
    these crossings is the edge, if at least ``cliff_min_pixels`` rays cross within ``max_range``. Glass is left out:
    what a mirror shows lies below the floor too. What the camera cannot look into, such as a step down that is hidden
    by its own edge, is not found: the camera must be high enough to see what is below.
    """
    grid, settings = segmented.grid, segmented.settings
    pixels = segmented.pixels(BELOW)
    pixels = pixels[~segmented.groups.glass[grid.labels.ravel()[pixels]]]
    ends = grid.points(pixels).astype(np.float64)
    camera = grid.origin.astype(np.float64)
    heights = segmented.heights.ravel()[pixels].astype(np.float64)
    camera_height = float(segmented.ground.patches[0].heights(camera))
    if camera_height <= 0 or len(pixels) == 0:
        return _none()
    crossings = camera + (camera_height / (camera_height - heights))[:, None] * (ends - camera)
    distance = np.hypot(crossings[:, 0], crossings[:, 1])
    bearings = seen_bearings(grid, settings)
    number = bearings.of(crossings)
    within = (number >= 0) & (distance <= settings.max_range)
    crossings, distance, heights, number = crossings[within], distance[within], heights[within], number[within]
    counts = np.bincount(number, minlength=bearings.count)
    order = np.lexsort((distance, number))
    begins = np.concatenate([[0], np.cumsum(counts)[:-1]])
    found = np.flatnonzero(counts >= settings.cliff_min_pixels)
    if len(found) == 0:
        return _none()
    edges = crossings[order[begins[found]]].astype(np.float32)
    drops = np.split(-heights[order], np.cumsum(counts)[:-1])
    drop = np.array([np.median(drops[bearing]) for bearing in found], dtype=np.float32)
    return Cliffs(edges, drop, counts[found])


def _none() -> Cliffs:
    return Cliffs(np.empty((0, 3), np.float32), np.empty(0, np.float32), np.empty(0, np.intp))
