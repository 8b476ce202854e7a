"""TF, where tf2_ros is installed: the only file that knows it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from cinet_core.messages.fields import stamp_of
from cinet_core.poses import Pose

Vector = tuple[float, ...]
Matrix = npt.NDArray[np.float64]


def rigid_matrix(position: npt.ArrayLike, quaternion: npt.ArrayLike) -> Matrix:
    """Return the (4, 4) transform of a position and a quaternion x y z w, which is normalised."""
    turn = np.asarray(quaternion, dtype=np.float64)
    return Pose(0, np.asarray(position, dtype=np.float64), turn / np.linalg.norm(turn)).matrix()


class PoseUnavailable(Exception):  # noqa: N818  (it is no error: poses come late)
    """The pose of a frame is not available.

    Attributes:
        reason: one word, for counts.
        may_come: whether it is worth to wait for it.
    """

    def __init__(self, reason: str, may_come: bool, text: str) -> None:
        super().__init__(text)
        self.reason = reason
        self.may_come = may_come


class TransformTree:
    """The transforms on /tf and /tf_static, from now on. Thread-safe.

    Args:
        node: that subscribes.
        purpose: for what TF is needed, for the error.

    Raises:
        ValueError: tf2_ros cannot be imported.
    """

    def __init__(self, node: Any, purpose: str) -> None:
        try:
            import tf2_ros
        except ImportError as error:
            raise ValueError(
                f"tf2_ros cannot be imported ({error}), but {purpose}. It comes with a ROS 2 distribution: "
                "apt install ros-$ROS_DISTRO-tf2-ros-py, and source its setup.bash"
            ) from error
        self._failed = tf2_ros.TransformException
        self._buffer = tf2_ros.Buffer()
        self._listener = tf2_ros.TransformListener(self._buffer, node)

    def at(self, target: str, source: str, stamp: int) -> tuple[Vector, Vector]:
        """Position (x y z) and rotation (x y z w) of the frame ``source`` in ``target`` at a stamp in nanoseconds.

        Raises:
            PoseUnavailable: TF knows none, or none yet.
        """
        try:
            return self._look_up(target, source, stamp, "pose_late")
        except PoseUnavailable:
            if not self._has_newer(target, source, stamp):
                raise
        try:  # it may have come just now
            return self._look_up(target, source, stamp, "pose_too_old")
        except PoseUnavailable as error:
            text = (
                f"{error}. TF has newer ones, so this one will not come: the image is older than what TF keeps (10 s), "
                "or than what it has heard since the node was configured"
            )
            raise PoseUnavailable(error.reason, False, text) from error

    def fixed(self, target: str, source: str) -> Matrix:
        """(4, 4) from ``source`` to ``target``, two frames of one rigid body: the latest that TF has.

        Raises:
            PoseUnavailable: TF knows none yet.
        """
        return rigid_matrix(*self._look_up(target, source, 0, "extrinsic_missing"))

    def _look_up(self, target: str, source: str, stamp: int, reason: str) -> tuple[Vector, Vector]:
        try:
            transform = self._transform(target, source, stamp).transform
        except self._failed as error:
            raise PoseUnavailable(
                reason, True, f"TF has no transform from {source!r} to {target!r}: {error}"
            ) from error
        shift, turn = transform.translation, transform.rotation
        return (shift.x, shift.y, shift.z), (turn.x, turn.y, turn.z, turn.w)

    def _has_newer(self, target: str, source: str, stamp: int) -> bool:
        """Whether there is a transform from after a stamp."""
        try:
            return stamp_of(self._transform(target, source, 0)) > stamp  # the newest that all frames between have
        except self._failed:
            return False

    def _transform(self, target: str, source: str, stamp: int) -> Any:
        from rclpy.time import Time

        return self._buffer.lookup_transform(target, source, Time(nanoseconds=stamp))


class LazyTransforms:
    """A `TransformTree` that subscribes to TF only once somebody needs it, for all who do. Thread-safe.

    Args:
        node: that subscribes.
    """

    def __init__(self, node: Any) -> None:
        self._node = node
        self._tree: TransformTree | None = None
        self._missing = ""

    def subscribe(self, purpose: str) -> None:
        """Subscribe, once. Call it on the executor's thread.

        Args:
            purpose: for what TF is needed, for the reason where tf2_ros is missing.
        """
        if self._tree is not None or self._missing:
            return
        try:
            self._tree = TransformTree(self._node, purpose)
        except ValueError as error:
            self._missing = str(error)

    def tree(self) -> TransformTree:
        """Return the transforms.

        Raises:
            PoseUnavailable: TF is not subscribed to, or tf2_ros is missing.
        """
        if self._tree is None:
            raise PoseUnavailable("no_tf", False, self._missing or "TF is not subscribed to")
        return self._tree
