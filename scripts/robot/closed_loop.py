"""Drives a robot through rooms of boxes by the obstacles of its camera: ``python -m scripts.robot.closed_loop``.

A differential drive with a camera 0.3 m above the floor, true depth, a costmap, A*, and a controller in the manner of
regulated pure pursuit. Frames arrive late, some not at all, and odometry drifts.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from cinet_core.geometry import Intrinsics
from cinet_core.label_sets import NYU40
from cinet_core.obstacles.depth_frame import DepthFrame
from cinet_core.obstacles.segmented import SegmentedFrame, segment
from cinet_core.obstacles.settings import ObstacleSettings
from scripts.robot.box_scene import SceneBox, camera_pose, render
from scripts.robot.costmap import CELL, Costmap, Pose2D, plan

__all__ = ["Drive", "DriveResult", "Moment", "Place", "Room", "drive", "furnished_room", "in_room", "summary"]

RADIUS = 0.2
"""Metres, of the robot; it is 0.5 m high."""

MARGIN = 0.08
"""Metres that are kept besides: half a diagonal of a cell, and what odometry is off by."""

SPEED, TURN = 0.5, 1.5
"""Metres and radians a second, at most."""

TICK = 0.1
"""Seconds of a step of the controller."""

SETTINGS = ObstacleSettings(half_resolution=False, max_height=0.7, scan_max_height=0.7, min_neighbours=1)


class Place(Protocol):
    """Where a robot can drive: from the start to the goal, metres."""

    @property
    def length(self) -> float:
        """Metres along x from the corner."""

    @property
    def width(self) -> float:
        """Metres along y."""

    @property
    def start(self) -> tuple[float, float]:
        """Where the robot stands."""

    @property
    def goal(self) -> tuple[float, float]:
        """Where it is to be."""

    def distance(self, x: float, y: float) -> float:
        """Metres from a point on the floor to the nearest thing that the robot would hit."""


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


@dataclass(frozen=True)
class Drive:
    """What makes a drive harder than a simulation's.

    Attributes:
        latency: seconds from the image to the costmap.
        period: seconds between images.
        dropped: share of the images that are lost.
        drift: standard deviation of the odometry's error, as a share of each motion.
        limit: seconds after which it is given up.
        size: (width, height) of the image, pixels.
    """

    latency: float = 0.2
    period: float = 0.2
    dropped: float = 0.1
    drift: float = 0.01
    limit: float = 120.0
    size: tuple[int, int] = (160, 120)


@dataclass(frozen=True)
class DriveResult:
    """How a drive went.

    Attributes:
        reached: whether the robot stood within 0.4 m of the goal, truly.
        collided: whether it touched something.
        seconds: until it ended.
        stops: seconds for which it stood although the way that it would take was free, truly.
        nearest: metres, the least distance of its hull from anything.
    """

    reached: bool
    collided: bool
    seconds: float
    stops: float
    nearest: float


@dataclass(frozen=True, eq=False)
class Moment:
    """What is known when a frame has come into the costmap.

    Attributes:
        now: seconds.
        taken: where the robot truly was when the image was taken.
        segmented: the frame.
        costmap: after the frame.
        way: cells to the goal; None: there is none.
        believed: where the robot believes to be.
    """

    now: float
    taken: Pose2D
    segmented: SegmentedFrame
    costmap: Costmap
    way: list[tuple[int, int]] | None
    believed: Pose2D


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


def drive(
    room: Place,
    how: Drive,
    seed: int = 0,
    settings: ObstacleSettings = SETTINGS,
    see: Callable[[Pose2D], DepthFrame] | None = None,
    watch: Callable[[Moment], None] | None = None,
) -> DriveResult:
    """Drive from start to goal by the obstacles of these settings, and tell how it went.

    Args:
        room: a `Room`, or another place together with `see`.
        how: what makes it hard.
        seed: of what is lost and drifts.
        settings: of the obstacles.
        see: the frame that the camera has where the robot stands; None: exact depth of the room's boxes.
        watch: called with every frame that comes.
    """
    rng = np.random.default_rng(seed)
    see = see or _exact(room, how)
    costmap = Costmap(room.length, room.width)
    true: Pose2D = (*room.start, 0.0)
    believed = true
    waiting: list[tuple[float, Pose2D, Pose2D]] = []
    now, next_image, stops, nearest = 0.0, 0.0, 0.0, math.inf
    turned = 0.0
    way: list[tuple[int, int]] | None = None
    while now < how.limit:
        if now >= next_image:
            next_image += how.period
            if rng.random() >= how.dropped:
                waiting.append((now + how.latency, true, believed))
        while waiting and waiting[0][0] <= now:
            _, taken, at = waiting.pop(0)
            segmented = segment(see(taken), NYU40, settings)
            costmap.update(segmented, at)
            way = _way(costmap, believed, room.goal)
            if watch is not None:
                watch(Moment(now, taken, segmented, costmap, way, believed))
        if turned < 2 * math.pi:  # it looks around first
            speed, turn = 0.0, 1.2
            turned += turn * TICK
        else:
            speed, turn = _command(costmap, believed, way)
            if speed == turn == 0.0 and room.distance(*_ahead(true, 0.3)) > RADIUS + 2 * MARGIN:
                stops += TICK
        true = _moved(true, speed, turn)
        error = 1.0 + how.drift * rng.standard_normal(2)
        believed = _moved(believed, speed * error[0], turn * error[1])
        now += TICK
        nearest = min(nearest, room.distance(true[0], true[1]) - RADIUS)
        if nearest <= 0.0:
            return DriveResult(False, True, now, stops, nearest)
        if math.dist(believed[:2], room.goal) < 0.2:
            return DriveResult(math.dist(true[:2], room.goal) < 0.4, False, now, stops, nearest)
    return DriveResult(False, False, now, stops, nearest)


def _exact(room: Place, how: Drive) -> Callable[[Pose2D], DepthFrame]:
    """Exact depth and labels of a room of boxes, whose camera is where it is believed to be."""
    if not isinstance(room, Room):
        raise TypeError(f"{type(room).__name__} is no room of boxes: give `see`")
    boxes, camera, mounted = room.boxes, Intrinsics.from_fov(*how.size, 90.0), camera_pose(0.3, 5.0)
    return lambda taken: render(boxes, in_room(taken) @ mounted, camera, believed=mounted)


def _way(costmap: Costmap, pose: Pose2D, goal: tuple[float, float]) -> list[tuple[int, int]] | None:
    start, end = (tuple(costmap.cell_of(np.array([place]))[0].tolist()) for place in (pose[:2], goal))
    return plan(costmap.clearance(), start, end, RADIUS + MARGIN)


def _command(costmap: Costmap, pose: Pose2D, way: list[tuple[int, int]] | None) -> tuple[float, float]:
    """Speed and turn towards a point ahead on the way; none where something is in the arc, or there is no way."""
    if not way:
        return 0.0, 0.6  # it looks for one
    places = (np.array(way) + 0.5) * CELL
    distances = np.hypot(*(places - pose[:2]).T)
    nearest = int(distances.argmin())
    ahead = nearest + int((distances[nearest:] < 0.4).sum())
    dx, dy = places[min(ahead, len(places) - 1)] - pose[:2]
    off = (math.atan2(dy, dx) - pose[2] + math.pi) % (2 * math.pi) - math.pi
    if abs(off) > 0.6:
        return 0.0, math.copysign(min(TURN, 1.5 * abs(off)), off)
    clearance = costmap.clearance()
    room = _clear_at(costmap, clearance, pose)
    speed = SPEED * min(1.0, max(0.25, (room - RADIUS) / 0.4)) * (1.0 - 0.8 * abs(off))
    turn = max(-TURN, min(TURN, 2.0 * speed * math.sin(off) / 0.4))
    simulated = pose
    for _ in range(6):
        simulated = _moved(simulated, speed, turn)
        if _clear_at(costmap, clearance, simulated) < RADIUS + 0.01:
            return 0.0, math.copysign(0.5, off)  # in place
    return speed, turn


def _clear_at(costmap: Costmap, clearance: np.ndarray, pose: Pose2D) -> float:
    i, j = costmap.cell_of(np.array([pose[:2]]))[0].tolist()
    inside = 0 <= i < clearance.shape[0] and 0 <= j < clearance.shape[1]
    return float(clearance[i, j]) if inside else 0.0


def _moved(pose: Pose2D, speed: float, turn: float) -> Pose2D:
    yaw = pose[2] + turn * TICK / 2
    return pose[0] + speed * TICK * math.cos(yaw), pose[1] + speed * TICK * math.sin(yaw), pose[2] + turn * TICK


def _ahead(pose: Pose2D, distance: float) -> tuple[float, float]:
    return pose[0] + distance * math.cos(pose[2]), pose[1] + distance * math.sin(pose[2])


def in_room(pose: Pose2D) -> np.ndarray:
    """(4, 4) the robot's base in the room."""
    x, y, yaw = pose
    matrix = np.eye(4)
    matrix[:2, :2] = [[math.cos(yaw), -math.sin(yaw)], [math.sin(yaw), math.cos(yaw)]]
    matrix[:2, 3] = x, y
    return matrix


def main(arguments: Sequence[str] | None = None) -> int:
    """Drive through several rooms and print how each went; returns 1 if the robot touched anything."""
    parser = argparse.ArgumentParser(description="Drives through rooms of boxes by the obstacles of true depth.")
    parser.add_argument("--rooms", type=int, default=50, metavar="N", help="(%(default)s)")
    parser.add_argument("--first", type=int, default=0, metavar="SEED", help="of the first room (%(default)s)")
    options = parser.parse_args(arguments)
    results = []
    for seed in range(options.first, options.first + options.rooms):
        result = drive(furnished_room(seed), Drive(), seed)
        results.append(result)
        print(f"room {seed}: {result}", flush=True)
    print(summary(results))
    return 1 if any(result.collided for result in results) else 0


def summary(results: Sequence[DriveResult]) -> str:
    """One line about several drives."""
    reached = [result for result in results if result.reached]
    seconds = float(np.median([result.seconds for result in reached])) if reached else math.nan
    return (
        f"{len(reached)} of {len(results)} goals reached, {sum(result.collided for result in results)} collisions, "
        f"{sum(result.stops for result in results):.1f} s of standing for nothing, median {seconds:.1f} s to the goal"
    )


if __name__ == "__main__":
    raise SystemExit(main())
