"""What a frame shows of objects: things of one class, as cells of the space they are in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cinet_core.mapping.object_settings import ObjectSettings
from cinet_core.mapping.upright_boxes import UprightBox
from cinet_core.obstacles.instances import connected_things
from cinet_core.obstacles.pixel_grid import PixelGrid

__all__ = ["CELL", "Keys", "SeenPart", "View", "centres_of", "find_parts", "keys_of"]

CELL = 0.05
"""Metres: edge of the cells that objects are made of. Finer ones would hold no more than the noise of depth."""

NEAR = 0.05
"""Metres: what is nearer to the camera, or behind it, is in no image."""

_HALF = 1 << 20
"""Cells to either side of the origin along each axis: 52 km."""

Keys = npt.NDArray[np.int64]
"""(N,) cells, sorted and each once: 21 bits for each of x, y and z."""


def keys_of(points: npt.NDArray[np.floating]) -> Keys:
    """Return the cells that (N, 3) points are in."""
    cells = np.floor(points / CELL).astype(np.int64) + _HALF
    return np.unique((cells[:, 0] << 42) | (cells[:, 1] << 21) | cells[:, 2])


def centres_of(keys: Keys) -> npt.NDArray[np.float32]:
    """Return (N, 3) metres, the middles of cells."""
    mask = 2 * _HALF - 1
    cells = np.stack([keys >> 42, (keys >> 21) & mask, keys & mask], axis=1) - _HALF
    return ((cells + 0.5) * CELL).astype(np.float32)


@dataclass(frozen=True, eq=False)
class SeenPart:
    """A thing, or what a frame shows of one.

    Attributes:
        label: class id.
        keys: cells that it is in.
        box: around these.
        confidence: 0 to 1, mean of the pixels' confidence in the label; 1 where the frame had none.
        pixels: how many, of the grid.
        distance: metres of the box's middle from the camera.
    """

    label: int
    keys: Keys
    box: UprightBox
    confidence: float
    pixels: int
    distance: float


@dataclass(frozen=True, eq=False)
class View:
    """The grid of a frame, as what has been seen before is looked for in it.

    Attributes:
        grid: of the frame, in a frame whose z axis is up.
        max_depth: metres, beyond which nothing is looked for.
        tolerance: share by which measured depth must be larger than a point's for it to be seen through.
    """

    grid: PixelGrid
    max_depth: float
    tolerance: float

    def look(self, points: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
        """Return of (N, 3) points (N,) whether nothing measured is before them, and whether one sees through them."""
        camera = self.grid.intrinsics
        optical = (points - self.grid.origin) @ self.grid.rotation
        z = optical[:, 2]
        within = (z > NEAR) & (z < self.max_depth)
        safe = np.where(within, z, np.float32(1.0))
        column = np.rint(optical[:, 0] / safe * camera.fx + camera.cx)
        row = np.rint(optical[:, 1] / safe * camera.fy + camera.cy)
        within &= (column >= 0) & (column < camera.width) & (row >= 0) & (row < camera.height)
        measured = np.full(len(points), np.inf, dtype=np.float32)
        measured[within] = self.grid.depth[row[within].astype(np.intp), column[within].astype(np.intp)]
        known = np.isfinite(measured)
        open_to = known & (measured >= z - CELL)
        return open_to, known & (measured > z * (1.0 + self.tolerance) + CELL)

    def pixels_of(self, box: UprightBox) -> float:
        """Return about how many pixels of the grid a box has at most, 0 behind the camera."""
        z = float((box.centre - self.grid.origin) @ self.grid.rotation[:, 2])
        if z <= NEAR:
            return 0.0
        smaller, larger = np.sort(np.maximum(box.size, CELL))[1:]
        return float(smaller * larger) * self.grid.intrinsics.fx * self.grid.intrinsics.fy / z**2


def find_parts(view: View, wanted: npt.NDArray[np.bool_], settings: ObjectSettings) -> list[SeenPart]:
    """Return the things of a frame, largest first.

    Args:
        view: of the frame.
        wanted: (256,) bool, which classes are objects.
        settings: which pixels belong together, and how large a thing must be.
    """
    grid = view.grid
    chosen = wanted[grid.labels] & (grid.depth < view.max_depth)
    parts = []
    for pixels in connected_things(grid, chosen, settings.jump, settings.gap, settings.min_pixels):
        keys = keys_of(grid.points(pixels))
        box = UprightBox.around(centres_of(keys))
        confidence = 1.0 if grid.confidence is None else float(grid.confidence.ravel()[pixels].mean()) / 255.0
        label = int(grid.labels.ravel()[pixels[0]])
        distance = float(np.linalg.norm(box.centre - grid.origin))
        parts.append(SeenPart(label, keys, box, confidence, len(pixels), distance))
    return sorted(parts, key=lambda part: -part.pixels)
