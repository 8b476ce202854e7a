"""Where a camera is on the robot, and the robot in a frame that does not move: by a parameter, or by TF."""

from __future__ import annotations

import time
from collections.abc import Callable

from cinet_ros.anchoring.parameters import NOT_GIVEN
from cinet_ros.anchoring.poses import given
from cinet_ros.mapping.transforms import LazyTransforms, Matrix, PoseUnavailable, rigid_matrix
from cinet_ros.navigation.parameters import NavigationSettings

__all__ = ["CameraPlace"]

POLL = 0.002
"""Seconds between two looks for a transform that may still come."""


class CameraPlace:
    """Looks up transforms of a robot. Thread-safe.

    Args:
        transforms: of the node.
    """

    def __init__(self, transforms: LazyTransforms) -> None:
        self._transforms = transforms

    def prepare(self, settings: NavigationSettings) -> None:
        """Subscribe to TF where the parameters leave something to it. Call it on the executor's thread."""
        if settings.obstacle_camera_in_base == NOT_GIVEN or settings.obstacle_fixed_frame:
            self._transforms.subscribe("obstacles need a transform that obstacle_camera_in_base does not give")

    def camera_in_base(self, stamp: int, frame: str, settings: NavigationSettings) -> Matrix:
        """Return the (4, 4) transform from the optical frame to base_frame.

        Args:
            stamp: of the image, nanoseconds; 0: the latest that TF has.
            frame: frame_id of the image.
            settings: current ones.

        Raises:
            PoseUnavailable: it is not known, or not as of this stamp.
        """
        if settings.obstacle_camera_in_base != NOT_GIVEN:
            return given(settings.obstacle_camera_in_base)
        if not frame:
            raise PoseUnavailable("no_frame_id", False, "the image has no frame_id, by which TF could know its camera")
        return self._waited(lambda: self._at(settings.base_frame, frame, stamp), settings.obstacle_tf_timeout)

    def base_in_fixed(self, stamp: int, settings: NavigationSettings) -> Matrix:
        """Return the (4, 4) transform from base_frame to obstacle_fixed_frame at a stamp in nanoseconds.

        Raises:
            PoseUnavailable: it is not known, or not as of this stamp.
        """
        base, fixed = settings.base_frame, settings.obstacle_fixed_frame
        return self._waited(lambda: self._at(fixed, base, stamp), settings.obstacle_tf_timeout)

    def _at(self, target: str, source: str, stamp: int) -> Matrix:
        return rigid_matrix(*self._transforms.tree().at(target, source, stamp))

    @staticmethod
    def _waited(look: Callable[[], Matrix], timeout: float) -> Matrix:
        deadline = time.monotonic() + timeout
        while True:
            try:
                return look()
            except PoseUnavailable as error:
                if not error.may_come or time.monotonic() >= deadline:
                    raise
            time.sleep(POLL)
