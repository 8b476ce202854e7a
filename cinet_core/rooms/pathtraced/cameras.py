"""Where cameras of a robot or of a hand may be in a furnished room."""

from __future__ import annotations

import dataclasses

import numpy as np

from cinet_core.geometry import Intrinsics
from cinet_core.rooms.pathtraced.group import Group
from cinet_core.rooms.pathtraced.plan import PlannedView
from cinet_core.rooms.raycast.camera import CameraRange, random_intrinsics, random_pose
from cinet_core.rooms.raycast.primitives import Doorway, Material, Pattern, Primitive, Scene, Shape, Vector, rotation_z
from cinet_core.rooms.raycast.viewpoints import along, before_a_doorway, near_a_top, robot

LIMITS = CameraRange(height=(0.25, 1.8), pitch=(-45.0, 10.0), roll=6.0, horizontal_fov=(46.0, 76.0), clearance=0.22)
CANDIDATES = 48
"""Views drawn for a room; Blender looks at each and takes a few."""

WIDE_LIMITS = CameraRange(height=(0.3, 1.8), pitch=(-40.0, 12.0), roll=6.0, horizontal_fov=(46.0, 90.0), clearance=0.2)
WIDE_CANDIDATES = 72

_PLAIN = Material(Pattern.PLAIN, (0.5, 0.5, 0.5))


def candidates(
    rng: np.random.Generator, group: Group, size: tuple[float, float, float], width: int, height: int
) -> tuple[PlannedView, ...]:
    """Views from free places, mostly at things; fewer than CANDIDATES in a crowded room."""
    scene = _boxes(group, size)
    views: list[PlannedView] = []
    for _ in range(CANDIDATES * 6):
        if len(views) == CANDIDATES:
            break
        pose = random_pose(rng, scene, LIMITS)
        camera = random_intrinsics(rng, width, height, LIMITS)
        if pose is not None:
            views.append(_planned(camera, pose))
    return tuple(views)


def wide_candidates(
    rng: np.random.Generator,
    group: Group,
    size: tuple[float, float, float],
    doorway: Doorway | None,
    width: int,
    height: int,
) -> tuple[PlannedView, ...]:
    """Views from near and far, high and low: as `candidates`, a robot's, over desks, along the room, into it.

    Kinds of pose are taken by turns; of a room with a doorway, every third view is through it.
    """
    scene = dataclasses.replace(_boxes(group, size), doorway=doorway)
    kinds = [random_pose, robot, near_a_top, along, robot, near_a_top]
    if doorway is not None:
        kinds += [before_a_doorway] * 3
    views: list[PlannedView] = []
    for attempt in range(WIDE_CANDIDATES * 6):
        if len(views) == WIDE_CANDIDATES:
            break
        pose = kinds[attempt % len(kinds)](rng, scene, WIDE_LIMITS)
        camera = random_intrinsics(rng, width, height, WIDE_LIMITS)
        if pose is not None:
            views.append(_planned(camera, pose))
    return tuple(views)


def _planned(camera: Intrinsics, pose: Vector) -> PlannedView:
    rows = tuple((a, b, c, d) for a, b, c, d in pose.round(6).tolist())
    return PlannedView(round(camera.fx, 3), round(camera.cx, 3), round(camera.cy, 3), rows)


def _boxes(group: Group, size: tuple[float, float, float]) -> Scene:
    """The room with a box for every thing."""
    solids = [
        Primitive(Shape.BOX, item.center, item.half, item.rotation, max(item.label, 0), _PLAIN)
        for item in group.items
        if item.label >= 0
    ]
    for stand in group.stands:
        turn = rotation_z(stand.yaw)
        center = stand.position + turn @ np.array([0.0, stand.size[1] / 2, 0.0]) + np.array([0, 0, stand.size[2] / 2])
        solids.append(Primitive(Shape.BOX, center, stand.size / 2, turn, stand.label, _PLAIN))
    return Scene(tuple(solids), (), (0.0, 0.0, 0.0), size)
