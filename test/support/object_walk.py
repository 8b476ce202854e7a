"""A robot that walks past boxes in exact scenes, and remembers them by wrong depth and wrong poses."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from cinet_core.geometry import Intrinsics
from cinet_core.label_sets import NYU40
from cinet_core.mapping.object_memory import ObjectMemory
from cinet_core.mapping.object_settings import ObjectSettings
from cinet_core.obstacles.depth_frame import DepthFrame
from cinet_core.obstacles.tracking import TrackedObject
from scripts.robot.box_scene import SceneBox, camera_pose, floor, render

CAMERA = Intrinsics.from_fov(200, 150, 70.0)
STEP = 10**8
"""Nanoseconds between two frames."""
BACK = (floor(), SceneBox((5.0, -6.0, 0.0), (5.1, 6.0, 2.5), "wall"))
Pose = npt.NDArray[np.float64]


def chair(x: float, y: float, width: float = 0.45) -> SceneBox:
    """Its middle on the floor."""
    return SceneBox((x - width / 2, y - width / 2, 0.0), (x + width / 2, y + width / 2, 0.9), "chair")


def person(x: float, y: float) -> SceneBox:
    return SceneBox((x - 0.15, y - 0.25, 0.0), (x + 0.15, y + 0.25, 1.75), "person")


@functools.cache
def looking(x: float = 0.0, y: float = 0.0, degrees: float = 0.0) -> Pose:
    """A camera 1 m up that looks a little down."""
    base, turn = np.eye(4), math.radians(degrees)
    base[:2, :2] = [[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]]
    base[:2, 3] = x, y
    return base @ camera_pose(1.0, 15.0)


def around(x: float, y: float, distance: float, degrees: Sequence[float]) -> list[Pose]:
    """Cameras on a circle that look at its middle."""
    turns = [math.radians(value) for value in degrees]
    return [looking(x - distance * math.cos(turn), y - distance * math.sin(turn), math.degrees(turn)) for turn in turns]


@functools.cache
def _exact(boxes: tuple[SceneBox, ...], pose: tuple[float, ...]) -> DepthFrame:
    return render(boxes, np.array(pose).reshape(4, 4), CAMERA)


def frame_of(boxes: Sequence[SceneBox], pose: Pose) -> DepthFrame:
    return _exact((*BACK, *boxes), tuple(pose.ravel()))


class Walk:
    """A robot with a memory of objects, whose depth is off by a scale, anew in each frame, and whose poses are noisy.

    Args:
        scale: share by which depth is off at most.
        shift: metres, standard deviation of its place along each axis.
        turn: degrees, standard deviation of its direction.
        seed: of the noise.
        settings: of the memory.
    """

    def __init__(
        self, scale: float = 0.0, shift: float = 0.0, turn: float = 0.0, seed: int = 0, **settings: object
    ) -> None:
        self.memory = ObjectMemory(NYU40, ObjectSettings(**settings))  # type: ignore[arg-type]
        self.frames = 0
        self._noise = scale, shift, math.radians(turn)
        self._rng = np.random.default_rng(seed)

    def see(self, boxes: Sequence[SceneBox], *poses: Pose, drift: float = 0.0) -> list[TrackedObject]:
        """Frames of a scene, one for each pose; what is known after the last."""
        found: list[TrackedObject] = []
        for pose in poses:
            exact, (scale, shift, turn) = frame_of(boxes, pose), self._noise
            wrong, yaw = pose.copy(), self._rng.normal(0.0, turn)
            turned = np.array([[math.cos(yaw), -math.sin(yaw), 0], [math.sin(yaw), math.cos(yaw), 0], [0, 0, 1]])
            wrong[:3, :3] = turned @ pose[:3, :3]
            wrong[:3, 3] += (*self._rng.normal(0.0, shift, 2), self._rng.normal(0.0, shift))
            wrong[0, 3] += drift
            depth = exact.depth * np.float32(1.0 + self._rng.uniform(-scale, scale))
            frame = dataclasses.replace(exact, depth=depth, pose=wrong)
            found = self.memory.update(frame, self.frames * STEP)
            self.frames += 1
        return found


def ids(found: Sequence[TrackedObject]) -> list[int]:
    return [thing.id for thing in found]
