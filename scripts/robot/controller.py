"""Speed and turn along a way, in the manner of regulated pure pursuit, and the way itself."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from scripts.robot.costmap import CELL, Costmap, Pose2D, plan

__all__ = ["MARGIN", "RADIUS", "SPEED", "TICK", "TURN", "ahead", "clear_at", "command", "find_way", "in_room", "moved"]

RADIUS = 0.2
"""Metres, of the robot; it is 0.5 m high."""

MARGIN = 0.08
"""Metres that are kept besides: half a diagonal of a cell, and what odometry is off by."""

SPEED, TURN = 0.5, 1.5
"""Metres and radians a second, at most."""

TICK = 0.1
"""Seconds of a step of the controller."""

TOLERANCE = 0.5
"""Metres from the goal to where a way may end whose goal is in something: `tolerance` of Nav2's planner."""


def find_way(costmap: Costmap, pose: Pose2D, goal: tuple[float, float]) -> list[tuple[int, int]] | None:
    """Return the cells to the goal, or to the nearest place within `TOLERANCE` of it; None where there is no way."""
    start, end = (tuple(costmap.cell_of(np.array([place]))[0].tolist()) for place in (pose[:2], goal))
    return plan(costmap.clearance(), start, end, RADIUS + MARGIN, TOLERANCE)


def command(costmap: Costmap, pose: Pose2D, way: list[tuple[int, int]]) -> tuple[float, float]:
    """Speed and turn towards a point ahead on the way; in place where something is in the arc."""
    places = (np.array(way) + 0.5) * CELL
    distances = np.hypot(*(places - pose[:2]).T)
    nearest = int(distances.argmin())
    farther = nearest + int((distances[nearest:] < 0.4).sum())
    dx, dy = places[min(farther, len(places) - 1)] - pose[:2]
    off = (math.atan2(dy, dx) - pose[2] + math.pi) % (2 * math.pi) - math.pi
    if abs(off) > 0.6:
        return 0.0, math.copysign(min(TURN, 1.5 * abs(off)), off)
    clearance = costmap.clearance()
    room = clear_at(costmap, clearance, pose)
    speed = SPEED * min(1.0, max(0.25, (room - RADIUS) / 0.4)) * (1.0 - 0.8 * abs(off))
    turn = max(-TURN, min(TURN, 2.0 * speed * math.sin(off) / 0.4))
    simulated = pose
    for _ in range(6):
        simulated = moved(simulated, speed, turn)
        if clear_at(costmap, clearance, simulated) < RADIUS + 0.01:
            return 0.0, math.copysign(0.5, off)  # in place
    return speed, turn


def clear_at(costmap: Costmap, clearance: npt.NDArray[np.float32], pose: Pose2D) -> float:
    """Metres from a place to the nearest lethal cell; 0 outside of the costmap."""
    i, j = costmap.cell_of(np.array([pose[:2]]))[0].tolist()
    inside = 0 <= i < clearance.shape[0] and 0 <= j < clearance.shape[1]
    return float(clearance[i, j]) if inside else 0.0


def moved(pose: Pose2D, speed: float, turn: float) -> Pose2D:
    """Where a robot is a `TICK` later."""
    yaw = pose[2] + turn * TICK / 2
    return pose[0] + speed * TICK * math.cos(yaw), pose[1] + speed * TICK * math.sin(yaw), pose[2] + turn * TICK


def ahead(pose: Pose2D, distance: float) -> tuple[float, float]:
    """The place so many metres ahead."""
    return pose[0] + distance * math.cos(pose[2]), pose[1] + distance * math.sin(pose[2])


def in_room(pose: Pose2D) -> npt.NDArray[np.float64]:
    """(4, 4) the robot's base in the room."""
    x, y, yaw = pose
    matrix = np.eye(4)
    matrix[:2, :2] = [[math.cos(yaw), -math.sin(yaw)], [math.sin(yaw), math.cos(yaw)]]
    matrix[:2, 3] = x, y
    return matrix
