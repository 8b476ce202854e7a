"""Poses of the camera and transforms between frames, for anchors: from odometry and parameters, or from TF."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from nav_msgs.msg import Odometry

from cinet_ros.anchoring.parameters import NOT_GIVEN, AnchorSettings
from cinet_ros.mapping.pose_sources import ODOMETRY, TF, MessagePoses, TransformPoses
from cinet_ros.mapping.transforms import LazyTransforms, Matrix, PoseUnavailable, TransformTree, rigid_matrix

__all__ = ["CameraPoses", "PoseLimits", "given"]

MAX_POSE_GAP = 0.5
"""Seconds between two poses beyond which none is interpolated: an odometry of 2 Hz is none."""

MAX_TURN_RATE = 360.0
"""Degrees a second beyond which a turn is a jump."""

POLL = 0.002
"""Seconds between two looks for a pose that may still come."""


@dataclass(frozen=True)
class PoseLimits:
    """What `MessagePoses` and `TransformPoses` need to know; see `cinet_ros.mapping.pose_sources.PoseSettings`."""

    pose_source: str
    camera_in_base: tuple[float, ...]
    map_frame: str
    max_speed: float
    max_pose_gap: float = MAX_POSE_GAP
    max_turn_rate: float = MAX_TURN_RATE


class CameraPoses:
    """Poses of the cameras of the node, and transforms between frames. Thread-safe.

    TF is only subscribed to where it may be needed (`prepare`), and where tf2_ros is missing that is a reason like any
    other.

    Args:
        node: that subscribes to TF.
        settings: of the node; those that matter here do not change while it runs.
        transforms: that the node has, or None for some of its own.
    """

    def __init__(self, node: Any, settings: AnchorSettings, transforms: LazyTransforms | None = None) -> None:
        self._settings = settings
        self._lazy = transforms or LazyTransforms(node)
        limits = PoseLimits(
            TF if settings.anchor_poses == "tf" else ODOMETRY,
            settings.camera_in_base,
            settings.anchor_fixed_frame if settings.anchor_poses == "tf" else "",
            settings.anchor_max_speed,
        )
        self._messages = MessagePoses(limits, self._extrinsic) if settings.anchor_poses == "odometry" else None
        if self._messages is not None:
            self._messages.topic = "anchor/odom"
        self._limits = limits
        self._transforms: TransformPoses | None = None

    def receive(self, message: Odometry) -> str | None:
        """Take a message of odometry, and return what is wrong with it, or None."""
        return None if self._messages is None else self._messages.receive(message)

    def clear(self) -> None:
        """Forget all poses, after a jump of the clock."""
        for source in (self._messages, self._transforms):
            if source is not None:
                source.clear()

    def camera_pose(self, stamp: int, camera_frame: str, timeout: float = 0.0) -> Matrix:
        """Return the (4, 4) transform from the optical to a fixed frame at a stamp in nanoseconds.

        Args:
            stamp: of the image.
            camera_frame: its frame_id.
            timeout: seconds that a pose that may still come is waited for.

        Raises:
            PoseUnavailable: there is none.
        """
        deadline = time.monotonic() + timeout
        while True:
            try:
                return self._pose(stamp, camera_frame)
            except PoseUnavailable as error:
                if not error.may_come or time.monotonic() >= deadline:
                    raise
            time.sleep(POLL)

    def _pose(self, stamp: int, camera_frame: str) -> Matrix:
        if self._messages is not None:
            return self._messages.camera_pose(stamp, camera_frame)
        if self._transforms is None:
            self._transforms = TransformPoses(self._limits, self._transform_tree())
        return self._transforms.camera_pose(stamp, camera_frame)

    def between(self, target: str, source: str, parameter: tuple[float, ...]) -> Matrix | None:
        """Return the (4, 4) transform from a sensor's frame to the optical frame; None where they are the same.

        Args:
            target: frame_id of the image.
            source: frame_id of the sensor's message.
            parameter: what the parameters say of it, or `NOT_GIVEN`.

        Raises:
            PoseUnavailable: it is not known.
        """
        if parameter != NOT_GIVEN:
            return given(parameter)
        if not source or source == target:
            return None
        return self._transform_tree().fixed(target, source)

    def _extrinsic(self, base: str, camera: str) -> Matrix:
        if self._settings.camera_in_base != NOT_GIVEN:
            return given(self._settings.camera_in_base)
        if base == camera:
            return np.eye(4)
        return self._transform_tree().fixed(base, camera)

    def up_and_height(self, camera_frame: str, settings: AnchorSettings) -> tuple[Matrix, float]:
        """Return the up direction (3,) in the optical frame, and the height of the camera above the floor in metres.

        The direction is that of ``camera_in_base``, whose base stands level, or of TF from ``anchor_floor_frame``; the
        height that of the parameter ``camera_height``, or TF's. A base need not be on the floor: ``camera_in_base``
        tells no height.

        Raises:
            PoseUnavailable: one of the two is not known.
        """
        if settings.camera_in_base != NOT_GIVEN and settings.camera_height > 0:
            return given(settings.camera_in_base)[2, :3].copy(), settings.camera_height
        height = self.height(camera_frame, settings)
        return self._transform_tree().fixed(settings.anchor_floor_frame, camera_frame)[2, :3].copy(), height

    def height(self, camera_frame: str, settings: AnchorSettings) -> float:
        """Return the height of the camera above the floor, metres: ``camera_height``, or TF's.

        Raises:
            PoseUnavailable: it is not known.
        """
        if settings.camera_height > 0:
            return settings.camera_height
        height = float(self._transform_tree().fixed(settings.anchor_floor_frame, camera_frame)[2, 3])
        if not height > 0:
            raise PoseUnavailable("no_height", False, "the height of the camera is not above 0: set camera_height")
        return height

    def prepare(self) -> None:
        """Subscribe to TF, once, where parameters leave something to it. Call it on the executor's thread."""
        if self._leaves_to_tf():
            self._lazy.subscribe("anchors need a transform that no parameter gives")

    def _leaves_to_tf(self) -> bool:
        settings = self._settings
        transforms = (
            settings.camera_in_base,
            settings.scan_in_camera,
            settings.depth_in_camera,
            settings.imu_in_camera,
        )
        return settings.anchor_poses == "tf" or settings.camera_height == 0 or NOT_GIVEN in transforms

    def _transform_tree(self) -> TransformTree:
        return self._lazy.tree()


def given(values: tuple[float, ...]) -> Matrix:
    """The (4, 4) transform of a parameter x y z qx qy qz qw."""
    return rigid_matrix(values[:3], values[3:])
