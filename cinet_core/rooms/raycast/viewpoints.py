"""Where cameras of the wide views stand: near a desk, low as a robot, along a corridor, before a doorway.

Each function draws one pose; None where the draw does not fit the room.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import numpy.typing as npt

from cinet_core.rooms.raycast.camera import CameraRange, clearance, look, random_pose
from cinet_core.rooms.raycast.primitives import Scene, Shape, Vector
from cinet_core.rooms.vocabulary import LABEL

Pose = npt.NDArray[np.float64]

ROBOT_HEIGHT = (0.15, 0.5)
"""Metres of a small robot's camera above the floor."""

ROBOT_CLEARANCE, DESK_CLEARANCE = 0.15, 0.12

_TOPS = frozenset(
    (
        LABEL.table, LABEL.desk, LABEL.counter, LABEL.cabinet, LABEL.dresser, LABEL.night_stand, LABEL.bookshelf,
        LABEL.shelves, LABEL.bed,
    )
)  # fmt: skip
_TOP_HEIGHT = (0.35, 1.3)
_TOP_AREA = 0.12


def anywhere(rng: np.random.Generator, scene: Scene, limits: CameraRange) -> Pose | None:
    """As the furnished rooms have it, see `random_pose`."""
    return random_pose(rng, scene, limits)


def robot(rng: np.random.Generator, scene: Scene, limits: CameraRange) -> Pose | None:
    """Just above the floor, looking ahead."""
    low = dataclasses.replace(limits, height=ROBOT_HEIGHT, pitch=(-18.0, 12.0), clearance=ROBOT_CLEARANCE)
    return random_pose(rng, scene, low)


def along(rng: np.random.Generator, scene: Scene, limits: CameraRange) -> Pose | None:
    """From near one end of the room towards the other, along its longer side."""
    width, depth, height = scene.size
    length, across = max(width, depth), min(width, depth)
    place = rng.uniform(min(limits.clearance, 0.2 * length), 0.45 * length)
    aside = rng.uniform(0.25, 0.75) * across
    yaw = math.radians(float(rng.normal(0.0, 9.0)))
    if rng.random() < 0.5:
        place, yaw = length - place, math.pi - yaw
    x, y = (place, aside) if width >= depth else (across - aside, place)
    if width < depth:
        yaw += math.pi / 2
    up = float(rng.uniform(limits.height[0], max(limits.height[0], min(limits.height[1], height - limits.clearance))))
    position = np.array([x, y, up])
    return _checked(rng, scene, limits, position, yaw, float(rng.normal(-7.0, 7.0)), limits.clearance)


def before_a_doorway(rng: np.random.Generator, scene: Scene, limits: CameraRange) -> Pose | None:
    """Outside the main room, looking in through its open doorway."""
    door = scene.doorway
    if door is None:
        return None
    inward = np.array(door.inward)
    beside = np.array([-inward[1], inward[0]])
    back = float(rng.uniform(0.3, min(door.depth - 0.3, 0.5 + door.width)))
    place = np.array(door.threshold) - back * inward + float(rng.uniform(-0.35, 0.35)) * door.width * beside
    up = float(rng.uniform(limits.height[0], limits.height[1]))
    yaw = math.atan2(inward[1], inward[0]) + math.radians(float(rng.normal(0.0, 8.0)))
    position = np.array([*place, up])
    return _checked(rng, scene, limits, position, yaw, float(rng.normal(-8.0, 7.0)), limits.clearance)


def near_a_top(rng: np.random.Generator, scene: Scene, limits: CameraRange) -> Pose | None:
    """A hand's breadth to a metre from a desk, counter, table or board, looking over it into the room."""
    tops = [
        solid
        for solid in scene.primitives
        if solid.label in _TOPS
        and solid.kind == Shape.BOX
        and _TOP_HEIGHT[0] <= solid.center[2] + solid.half[2] <= _TOP_HEIGHT[1]
        and 4 * solid.half[0] * solid.half[1] >= _TOP_AREA
    ]
    if not tops:
        return None
    top = tops[int(rng.integers(len(tops)))]
    inside = top.rotation @ (rng.uniform(-0.8, 0.8, 3) * top.half * np.array([1.0, 1.0, 0.0])) + top.center
    target = np.array([inside[0], inside[1], top.center[2] + top.half[2]])
    middle = np.array(scene.size) / 2
    away = math.atan2(*(middle - target)[[1, 0]]) if rng.random() < 0.7 else float(rng.uniform(-math.pi, math.pi))
    yaw = away + math.radians(float(rng.normal(0.0, 25.0)))
    distance, up = float(rng.uniform(0.3, 1.0)), float(rng.uniform(0.12, 0.5))
    ahead = np.array([math.cos(yaw), math.sin(yaw)])
    position = np.array([*(target[:2] - distance * ahead), target[2] + up])
    if (position[:2] < DESK_CLEARANCE).any() or (position[:2] > np.array(scene.size[:2]) - DESK_CLEARANCE).any():
        return None
    pitch = math.degrees(-math.atan2(up, distance)) * float(rng.uniform(0.2, 1.1))
    return _checked(rng, scene, limits, position, yaw, pitch, DESK_CLEARANCE)


def _checked(
    rng: np.random.Generator,
    scene: Scene,
    limits: CameraRange,
    position: Vector,
    yaw: float,
    pitch: float,
    least: float,
) -> Pose | None:
    """The pose, with some roll, unless the camera would stand in something or outside of the building."""
    if clearance(scene, position) < least or not 0.1 < position[2] < scene.size[2] - 0.1:
        return None
    low, high = limits.pitch
    pitch = math.radians(min(max(pitch, low), high))
    return look(position, yaw, pitch, math.radians(float(rng.normal(0.0, limits.roll / 2.0))))
