"""Drives a robot through rooms of boxes by the obstacles of its camera: ``python -m scripts.robot.closed_loop``.

The camera is 0.3 m above the floor, and its depth is true.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from cinet_core.geometry import Intrinsics
from cinet_core.obstacles.depth_frame import DepthFrame
from cinet_core.obstacles.settings import ObstacleSettings
from scripts.robot.box_scene import SceneBox, camera_pose, render
from scripts.robot.controller import in_room
from scripts.robot.costmap import CELL, plan
from scripts.robot.drive import Drive, Sight, drive, summary

__all__ = ["SETTINGS", "Room", "exact_view", "furnished_room"]

SETTINGS = ObstacleSettings(half_resolution=False, max_height=0.7, scan_max_height=0.7, min_neighbours=1)


@dataclass(frozen=True)
class Room:
    """A room with furniture.

    Attributes:
        length, width: metres.
        boxes: floor, walls and furniture, in the room's frame.
        start, goal: metres.
    """

    length: float
    width: float
    boxes: tuple[SceneBox, ...]
    start: tuple[float, float]
    goal: tuple[float, float]

    def distance(self, x: float, y: float) -> float:
        """Metres from a point on the floor to the nearest thing that the robot would hit."""
        nearest = math.inf
        for box in self.boxes:
            if box.high[2] > 0.03 and box.low[2] < 0.5:
                beside = [max(box.low[axis] - value, 0.0, value - box.high[axis]) for axis, value in ((0, x), (1, y))]
                nearest = min(nearest, math.hypot(*beside))
        return nearest


def furnished_room(seed: int) -> Room:
    """Return a room of 5 to 7 m with cabinets, tables and chairs with legs, through which there is a way of 0.7 m."""
    rng = np.random.default_rng(seed)
    while True:
        length, width = rng.uniform(5.0, 7.0), rng.uniform(4.0, 5.0)
        boxes = [
            SceneBox((-0.2, -0.2, -0.1), (length + 0.2, width + 0.2, 0.0), "floor"),
            SceneBox((-0.2, -0.2, 0.0), (0.0, width + 0.2, 2.5), "wall"),
            SceneBox((length, -0.2, 0.0), (length + 0.2, width + 0.2, 2.5), "wall"),
            SceneBox((0.0, -0.2, 0.0), (length, 0.0, 2.5), "wall"),
            SceneBox((0.0, width, 0.0), (length, width + 0.2, 2.5), "wall"),
        ]
        for _ in range(rng.integers(3, 6)):
            x, y = rng.uniform(1.2, length - 1.6), rng.uniform(0.2, width - 0.8)
            boxes += _furniture(rng, float(x), float(y))
        start, goal = (0.6, float(rng.uniform(0.6, width - 0.6))), (length - 0.6, float(rng.uniform(0.6, width - 0.6)))
        room = Room(float(length), float(width), tuple(boxes), start, goal)
        if _passable(room):
            return room


def _furniture(rng: np.random.Generator, x: float, y: float) -> list[SceneBox]:
    kind = rng.integers(3)
    if kind == 0:
        sides = rng.uniform(0.3, 0.8, 2)
        return [SceneBox((x, y, 0.0), (x + sides[0], y + sides[1], float(rng.uniform(0.06, 1.0))), "cabinet")]
    # A chair or a table: four legs and a top, under which the robot fits only where it is high.
    side, height, leg, name = (0.42, 0.45, 0.03, "chair") if kind == 1 else (0.9, 0.74, 0.05, "table")
    legs = [(x + i * (side - leg), y + j * (side - leg)) for i in (0, 1) for j in (0, 1)]
    parts = [SceneBox((a, b, 0.0), (a + leg, b + leg, height), name) for a, b in legs]
    return [*parts, SceneBox((x, y, height - 0.03), (x + side, y + side, height), name)]


def _passable(room: Room) -> bool:
    """Whether there is a way for a robot that is 0.7 m wide."""
    rows, columns = round(room.length / CELL), round(room.width / CELL)
    clearance = np.array(
        [[room.distance((i + 0.5) * CELL, (j + 0.5) * CELL) for j in range(columns)] for i in range(rows)], np.float32
    )
    # Nobody drives under a table that is seen as an obstacle up to 0.7 m.
    for box in room.boxes:
        if 0.03 < box.low[2] < 0.75:
            low, high = (np.array(corner[:2]) / CELL for corner in (box.low, box.high))
            clearance[int(low[0]) : int(high[0]) + 1, int(low[1]) : int(high[1]) + 1] = 0.0
    start, goal = ((int(x / CELL), int(y / CELL)) for x, y in (room.start, room.goal))
    free = min(clearance[start], clearance[goal]) > 0.35
    return bool(free) and plan(clearance, start, goal, 0.35) is not None


def exact_view(room: Room, how: Drive) -> Callable[[Sight], DepthFrame]:
    """Exact depth and labels of a room of boxes, whose camera is where it is believed to be."""
    camera, mounted = Intrinsics.from_fov(*how.size, 90.0), camera_pose(0.3, 5.0)
    return lambda sight: render(room.boxes, in_room(sight.taken) @ mounted, camera, believed=mounted)


def main(arguments: Sequence[str] | None = None) -> int:
    """Drive through several rooms and print how each went; returns 1 if the robot touched anything."""
    parser = argparse.ArgumentParser(description="Drives through rooms of boxes by the obstacles of true depth.")
    parser.add_argument("--rooms", type=int, default=50, metavar="N", help="(%(default)s)")
    parser.add_argument("--first", type=int, default=0, metavar="SEED", help="of the first room (%(default)s)")
    options = parser.parse_args(arguments)
    results = []
    for seed in range(options.first, options.first + options.rooms):
        room, how = furnished_room(seed), Drive()
        result = drive(room, how, seed, SETTINGS, exact_view(room, how))
        results.append(result)
        print(f"room {seed}: {result}", flush=True)
    print(summary(results))
    return 1 if any(result.collided for result in results) else 0


if __name__ == "__main__":
    raise SystemExit(main())
