"""Ray-cast rooms that a robot drives through: textured, lit, and of another generator than the default weights' own."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from cinet_core.rooms.raycast.layout import furnished_room
from cinet_core.rooms.raycast.primitives import Scene
from scripts.robot.costmap import plan

__all__ = ["FINE", "RenderedRoom", "rendered_room"]

FINE = 0.025
"""Metres: cells in which the truth is known."""

HEIGHTS = np.linspace(0.04, 0.5, 12)
"""Metres, of the robot's body."""


@dataclass(frozen=True, eq=False)
class RenderedRoom:
    """A furnished room that can be rendered, and what stands in it at the height of the robot.

    Attributes:
        scene: to render.
        free: (length, width) metres from each cell of `FINE` to the nearest thing.
        start, goal: metres.
    """

    scene: Scene
    free: npt.NDArray[np.float32]
    start: tuple[float, float]
    goal: tuple[float, float]

    @property
    def length(self) -> float:
        """Metres along x."""
        return self.scene.size[0]

    @property
    def width(self) -> float:
        """Metres along y."""
        return self.scene.size[1]

    def distance(self, x: float, y: float) -> float:
        """Metres from a point on the floor to the nearest thing that the robot would hit."""
        i, j = int(x / FINE), int(y / FINE)
        inside = 0 <= i < self.free.shape[0] and 0 <= j < self.free.shape[1]
        return float(self.free[i, j]) if inside else 0.0


def rendered_room(seed: int) -> RenderedRoom:
    """Return a room with a way of at least 2 m that is 0.7 m wide; of several seeds tried, which this one begins."""
    rng = np.random.default_rng([seed, 2])
    while True:
        scene = furnished_room(rng)
        free = _free(scene)
        ends = _ends(rng, free)
        if ends is not None:
            return RenderedRoom(scene, free, *ends)


def _free(scene: Scene) -> npt.NDArray[np.float32]:
    """Metres from each cell to what is in it at the height of the robot; round solids count as their boxes."""
    shape = tuple(round(side / FINE) for side in scene.size[:2])
    x, y = ((np.arange(count) + 0.5) * FINE for count in shape)
    occupied = np.zeros(shape, dtype=bool)
    for rotation, center, half in zip(*scene.frames, strict=True):
        reach = np.abs(rotation) @ half
        if center[2] - reach[2] > HEIGHTS[-1] or center[2] + reach[2] < HEIGHTS[0]:
            continue
        some = [np.abs(axis - center[i]) <= reach[i] for i, axis in enumerate((x, y))]
        grid = np.stack(np.meshgrid(x[some[0]], y[some[1]], HEIGHTS, indexing="ij"), axis=-1)
        inside = (np.abs((grid - center) @ rotation) <= half).all(axis=-1).any(axis=-1)
        occupied[np.ix_(*some)] |= inside
    padded = np.pad((~occupied).astype(np.uint8), 1)  # walls are around
    return cv2.distanceTransform(padded, cv2.DIST_L2, 5)[1:-1, 1:-1] * np.float32(FINE)


def _ends(
    rng: np.random.Generator, free: npt.NDArray[np.float32]
) -> tuple[tuple[float, float], tuple[float, float]] | None:
    """A start and a goal with a way between them; None where the room has none."""
    wide = np.argwhere(free > 0.4)
    if len(wide) == 0:
        return None
    start = wide[rng.integers(len(wide))]
    goal = wide[np.hypot(*(wide - start).T).argmax()]
    if math.dist(start, goal) * FINE < 2.0:
        return None
    coarse = free[1::2, 1::2]
    ends = [tuple((np.minimum(end // 2, np.array(coarse.shape) - 1)).tolist()) for end in (start, goal)]
    if plan(coarse, ends[0], ends[1], 0.35) is None:
        return None
    (a, b), (c, d) = ((start + 0.5) * FINE).tolist(), ((goal + 0.5) * FINE).tolist()
    return (a, b), (c, d)
