"""Where a camera of a mobile robot, or of a person, may be in a room, and what it looks at."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cinet_core.geometry import Intrinsics
from cinet_core.rooms.raycast.primitives import Scene, Vector

LARGEST_FURNITURE = 1.3
"""Metres of half extent; what is larger is a wall, floor or ceiling, and nothing to look at."""


@dataclass(frozen=True, eq=False)
class PosedCamera:
    """A pinhole camera in the world.

    Attributes:
        intrinsics: of its images.
        camera_to_world: (4, 4) float64; camera x right, y down, z forward; world z up.
    """

    intrinsics: Intrinsics
    camera_to_world: npt.NDArray[np.float64]


@dataclass(frozen=True)
class CameraRange:
    """What cameras are drawn from; angles in degrees.

    Attributes:
        height: of the camera above the floor, metres.
        pitch: of the view; negative looks down.
        roll: to either side.
        horizontal_fov: field of view.
        median_depth: metres, of a view worth rendering.
        clearance: metres from the camera to the nearest solid, at least.
        aspect: fy / fx differs from 1 by up to this.
        center: the principal point is off the middle by up to this part of the image size.
    """

    height: tuple[float, float] = (0.25, 1.8)
    pitch: tuple[float, float] = (-45.0, 10.0)
    roll: float = 4.0
    horizontal_fov: tuple[float, float] = (50.0, 80.0)
    median_depth: tuple[float, float] = (0.7, 5.0)
    clearance: float = 0.25
    aspect: float = 0.0
    center: float = 0.02


def random_intrinsics(rng: np.random.Generator, width: int, height: int, limits: CameraRange) -> Intrinsics:
    """A camera with these limits for an image of this size."""
    base = Intrinsics.from_fov(width, height, float(rng.uniform(*limits.horizontal_fov)))
    stretch = 1.0 + float(rng.uniform(-limits.aspect, limits.aspect))
    cx = base.cx + float(rng.uniform(-limits.center, limits.center)) * width
    cy = base.cy + float(rng.uniform(-limits.center, limits.center)) * height
    return Intrinsics(base.fx, base.fy * stretch, cx, cy, width, height)


def look(position: Vector, yaw: float, pitch: float, roll: float) -> npt.NDArray[np.float64]:
    """(4, 4) camera-to-world pose; angles in radians: yaw from world x, pitch up, roll clockwise."""
    forward = np.array([math.cos(yaw) * math.cos(pitch), math.sin(yaw) * math.cos(pitch), math.sin(pitch)])
    right = np.array([math.sin(yaw), -math.cos(yaw), 0.0])
    down = np.cross(forward, right)
    pose = np.eye(4)
    pose[:3, 0] = math.cos(roll) * right + math.sin(roll) * down
    pose[:3, 1] = math.cos(roll) * down - math.sin(roll) * right
    pose[:3, 2] = forward
    pose[:3, 3] = position
    return pose


def random_pose(rng: np.random.Generator, scene: Scene, limits: CameraRange) -> npt.NDArray[np.float64] | None:
    """A pose in free space that looks towards the middle or at a piece of furniture; None if the draw stood in one."""
    width, depth, height = scene.size
    margin = limits.clearance
    low = np.array([margin, margin, limits.height[0]])
    high = np.array([width - margin, depth - margin, min(limits.height[1], height - margin)])
    position = rng.uniform(low, high)
    if clearance(scene, position) < limits.clearance:
        return None
    things = np.flatnonzero(scene.frames[2].max(1) < LARGEST_FURNITURE)
    to_thing = len(things) > 0 and rng.random() < 0.8
    target = scene.frames[1][rng.choice(things)] if to_thing else np.array(scene.size) / 2
    away = target - position
    yaw = math.atan2(away[1], away[0]) + math.radians(float(rng.normal(0.0, 12.0)))
    wanted = math.atan2(away[2], math.hypot(away[0], away[1])) + math.radians(float(rng.normal(0.0, 6.0)))
    lowest, highest = math.radians(limits.pitch[0]), math.radians(limits.pitch[1])
    pitch = min(max(wanted, lowest), highest) if rng.random() < 0.7 else float(rng.uniform(lowest, highest))
    return look(position, yaw, pitch, math.radians(float(rng.normal(0.0, limits.roll / 2.0))))


def clearance(scene: Scene, position: Vector) -> float:
    """Metres from a point to the nearest solid's box, 0 inside one."""
    rotation, center, half = scene.frames
    local = ((position - center)[:, None] @ rotation)[:, 0]
    return float(np.linalg.norm(np.maximum(np.abs(local) - half, 0.0), axis=1).min())
