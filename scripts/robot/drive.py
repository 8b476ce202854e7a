"""Drives a differential drive from start to goal by the obstacles of its camera.

A costmap, a planner, a controller and recoveries as Nav2 has them. Frames arrive late, some not at all, and odometry
drifts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from cinet_core.label_sets import NYU40
from cinet_core.obstacles.depth_frame import DepthFrame
from cinet_core.obstacles.segmented import SegmentedFrame, segment
from cinet_core.obstacles.settings import ObstacleSettings
from scripts.robot.controller import MARGIN, RADIUS, TICK, ahead, command, find_way, moved
from scripts.robot.costmap import CELL, Costmap, Pose2D
from scripts.robot.recovery import Recovery

__all__ = ["Drive", "DriveResult", "Moment", "Place", "Sight", "drive", "summary"]

ARRIVED = 0.2
"""Metres from the end of its way at which the robot believes to be there."""

AT_GOAL = 0.4
"""Metres from the goal at which it is there, truly: what odometry is off by beside."""


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
class Sight:
    """When and where an image is taken.

    Attributes:
        seconds: since the drive began.
        taken: where the robot truly is.
        believed: where its odometry has it.
    """

    seconds: float
    taken: Pose2D
    believed: Pose2D


@dataclass(frozen=True)
class Drive:
    """What makes a drive harder than a simulation's.

    Attributes:
        latency: seconds from the image to the costmap.
        period: seconds between images.
        dropped: share of the images that are lost.
        drift: standard deviation of the odometry's error, as a share of each motion.
        way_bias: standard deviation of what odometry is off by in every way of a drive, as a share of it: worn tyres.
        turn_bias: likewise in every turn.
        limit: seconds after which it is given up.
        size: (width, height) of the image, pixels.
    """

    latency: float = 0.2
    period: float = 0.2
    dropped: float = 0.1
    drift: float = 0.01
    way_bias: float = 0.0
    turn_bias: float = 0.0
    limit: float = 120.0
    size: tuple[int, int] = (160, 120)


@dataclass(frozen=True)
class DriveResult:
    """How a drive went.

    Attributes:
        reached: whether the robot came to its way's end and was within `AT_GOAL` of the goal, truly.
        collided: whether it touched something.
        seconds: until it ended.
        stops: seconds for which it stood although the way that it would take was free, truly.
        nearest: metres, the least distance of its hull from anything.
        recoveries: how often it recovered as Nav2 does.
        given_up: whether it saw no way after all recoveries.
        left: metres from the goal where it ended, truly.
    """

    reached: bool
    collided: bool
    seconds: float
    stops: float
    nearest: float
    recoveries: int = 0
    given_up: bool = False
    left: float = 0.0


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


class _Robot:
    """Where the robot is, where it believes to be, and what it knows."""

    def __init__(self, room: Place, how: Drive, rng: np.random.Generator) -> None:
        self.room, self.how, self.rng = room, how, rng
        self.true: Pose2D = (*room.start, 0.0)
        self.believed = self.true
        self.costmap = Costmap(room.length, room.width)
        self.way: list[tuple[int, int]] | None = None
        self.recovery = Recovery()
        self.nearest = math.inf
        self._newest: tuple[SegmentedFrame, Pose2D] | None = None
        bias = rng.standard_normal(2) * (how.way_bias, how.turn_bias) if how.way_bias or how.turn_bias else 0.0
        self._factor = np.ones(2) + bias

    def look(self, segmented: SegmentedFrame, at: Pose2D, driving: bool) -> None:
        """Take a frame into the costmap and plan; without a way, clear what was remembered and plan again.

        Nothing is cleared before it drives: while it looks around nobody has asked Nav2 for a way.
        """
        self._newest = segmented, at
        self._plan()
        if self.way is None and driving:
            self.clear()

    def clear(self) -> None:
        """Forget all but the newest frame, and plan."""
        self.costmap.clear()
        self._plan()

    def recover(self) -> None:
        """Begin with the next recovery."""
        self.recovery.begin()
        if self.recovery.busy and self.recovery.clears:
            self.clear()

    def _plan(self) -> None:
        if self._newest is not None:
            self.costmap.update(*self._newest)
        self.costmap.clear_footprint(self.believed, RADIUS)
        self.way = find_way(self.costmap, self.believed, self.room.goal)

    def move(self, speed: float, turn: float) -> None:
        """For a tick."""
        self.true = moved(self.true, speed, turn)
        error = self._factor + self.how.drift * self.rng.standard_normal(2)
        self.believed = moved(self.believed, speed * error[0], turn * error[1])
        self.nearest = min(self.nearest, self.room.distance(*self.true[:2]) - RADIUS)

    @property
    def arrived(self) -> bool:
        """It believes to be at the end of its way, which may be beside a goal that is in something."""
        if not self.way:
            return False
        goal = self.room.goal
        end = (np.array(self.way[-1]) + 0.5) * CELL
        if self.way[-1] == tuple(self.costmap.cell_of(np.array([goal]))[0].tolist()):
            end = np.array(goal)
        return math.dist(self.believed[:2], end.tolist()) < ARRIVED

    def ended(self, now: float, stops: float, arrived: bool = False) -> DriveResult:
        """How it went."""
        left, collided = math.dist(self.true[:2], self.room.goal), self.nearest <= 0.0
        recovery = self.recovery
        return DriveResult(
            arrived and not collided and left < AT_GOAL,
            collided,
            now,
            stops,
            self.nearest,
            recovery.count,
            recovery.given_up,
            left,
        )


def drive(
    room: Place,
    how: Drive,
    seed: int,
    settings: ObstacleSettings,
    see: Callable[[Sight], DepthFrame],
    watch: Callable[[Moment], None] | None = None,
) -> DriveResult:
    """Drive from start to goal by the obstacles of these settings, and tell how it went.

    Args:
        room: where.
        how: what makes it hard.
        seed: of what is lost and drifts.
        settings: of the obstacles.
        see: the frame that the camera has where the robot stands.
        watch: called with every frame that comes.
    """
    robot = _Robot(room, how, np.random.default_rng(seed))
    recovery = robot.recovery
    waiting: list[tuple[float, Sight]] = []
    now, next_image, stops, turned = 0.0, 0.0, 0.0, 0.0
    while now < how.limit:
        if now >= next_image - TICK / 2:
            next_image += how.period
            if robot.rng.random() >= how.dropped:
                waiting.append((now + how.latency, Sight(now, robot.true, robot.believed)))
        while waiting and waiting[0][0] <= now + TICK / 2:
            _, sight = waiting.pop(0)
            segmented = segment(see(sight), NYU40, settings)
            robot.look(segmented, sight.believed, turned >= 2 * math.pi)
            if watch is not None:
                moment = Moment(now, sight.taken, segmented, robot.costmap, robot.way, robot.believed)
                watch(moment)
            if robot.way is None and turned >= 2 * math.pi and not recovery.busy:
                robot.recover()
        if turned < 2 * math.pi:  # it looks around first
            speed, turn = 0.0, 1.2
            turned += turn * TICK
        elif recovery.busy:
            speed, turn = recovery.command(robot.costmap, robot.believed)
        elif robot.way is None:
            speed, turn = 0.0, 0.0
        else:
            speed, turn = command(robot.costmap, robot.believed, robot.way)
            needed = recovery.stuck(now, robot.believed)
            if needed == "clear":
                robot.clear()
            elif needed == "recovery":
                robot.recover()
        if recovery.given_up:
            return robot.ended(now, stops)
        if speed == turn == 0.0 and room.distance(*ahead(robot.true, 0.3)) > RADIUS + 2 * MARGIN:
            stops += TICK
        robot.move(speed, turn)
        now += TICK
        if robot.nearest <= 0.0:
            return robot.ended(now, stops)
        if turned >= 2 * math.pi and not recovery.busy and robot.arrived:
            return robot.ended(now, stops, arrived=True)
    return robot.ended(now, stops)


def summary(results: Sequence[DriveResult]) -> str:
    """One line about several drives."""
    reached = [result for result in results if result.reached]
    seconds = float(np.median([result.seconds for result in reached])) if reached else math.nan
    return (
        f"{len(reached)} of {len(results)} goals reached, {sum(result.collided for result in results)} collisions, "
        f"{sum(result.stops for result in results):.1f} s of standing for nothing, median {seconds:.1f} s to the goal"
    )
