"""Short camera paths: a view and what the camera sees as it moves on, a few centimetres and degrees a frame."""

from __future__ import annotations

import math

import numpy as np

from cinet_core.rooms.raycast.camera import PosedCamera, clearance
from cinet_core.rooms.raycast.primitives import Scene, rotation_z
from cinet_core.rooms.raycast.viewpoints import Pose

LONGEST = 16
"""Frames of a path, at most."""

STEP = (0.01, 0.10)
"""Metres a frame: 0.3 to 3 m/s at 30 Hz."""

TURN = 3.0
"""Degrees a frame about the vertical, to either side."""

LEAST_CLEARANCE = 0.1
_TRIES = 12


def camera_path(rng: np.random.Generator, scene: Scene, camera: PosedCamera, length: int) -> list[PosedCamera]:
    """The cameras of a path that begins with this one, in one steady motion through free space.

    Args:
        rng: of the motion.
        scene: to move in.
        camera: of the first frame.
        length: frames, 1 to `LONGEST`.

    Returns:
        As many cameras with the same intrinsics. Where nothing but standing leaves `LEAST_CLEARANCE`, they only turn.
    """
    for attempt in range(_TRIES):
        part = 0.0 if attempt == _TRIES - 1 else 1.0 - attempt / _TRIES
        direction = rng.normal(0.0, 1.0, 3) * np.array([1.0, 0.25, 1.0])  # of the camera: right, down, ahead
        step = part * float(rng.uniform(*STEP)) * direction / np.linalg.norm(direction)
        turn = math.radians(float(rng.uniform(-TURN, TURN)))
        poses = [camera.camera_to_world]
        for _ in range(length - 1):
            poses.append(_moved(poses[-1], step, turn))
        if part == 0.0 or all(clearance(scene, pose[:3, 3]) >= LEAST_CLEARANCE for pose in poses[1:]):
            return [PosedCamera(camera.intrinsics, pose) for pose in poses]
    raise AssertionError("the last attempt stands still")


def _moved(pose: Pose, step: np.ndarray, turn: float) -> Pose:
    """The pose a frame later: a step in the camera's own axes, then a turn about the world's vertical."""
    moved = np.eye(4)
    moved[:3, :3] = rotation_z(turn) @ pose[:3, :3]
    moved[:3, 3] = pose[:3, 3] + pose[:3, :3] @ step
    return moved
