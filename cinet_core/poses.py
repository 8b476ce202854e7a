"""Poses over time, and the interpolated pose at the stamp of an image."""

from __future__ import annotations

import bisect
import enum
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = [
    "MAX_NORM_ERROR",
    "AddOutcome",
    "Pose",
    "PoseBuffer",
    "PoseGap",
    "rotation_angle",
    "rotation_matrix",
    "slerp",
]

NANOSECONDS = 1e9
RESTART_NS = 10**9
"""A stamp by which the clock would have gone back by more than this: a new run, not messages out of order."""

MAX_NORM_ERROR = 0.1
"""How far the norm of a quaternion may be from 1; within, it is normalised: some publishers round."""


class PoseGap(enum.Enum):
    """Why there is no pose for a stamp."""

    NONE_YET = "no pose has been received yet"
    NOT_YET = "the newest pose is older than the stamp: wait for the next one"
    TOO_OLD = "the stamp is older than the oldest pose that is kept"
    GAP = "the poses around the stamp are too far apart in time"
    JUMP = "the poses around the stamp are a jump apart, which is no motion"


class AddOutcome(enum.Enum):
    """The result of adding a pose."""

    ADDED = "added"
    INVALID = "not a pose: a value is not finite, or the quaternion is no rotation"
    DUPLICATE = "there is a pose of this stamp already"
    CLOCK_WENT_BACK = "the stamp is long before the newest one: the buffer starts again with it"
    OUT_OF_ORDER = "the stamp is just before the newest one: dropped"
    JUMPED = "added, but too far from the one before: nothing is interpolated between the two"


@dataclass(frozen=True)
class Pose:
    """A rigid transform at a time.

    Attributes:
        stamp_ns: nanoseconds.
        position: (3,) float64 metres.
        quaternion: (4,) float64 x y z w, of norm 1.
    """

    stamp_ns: int
    position: npt.NDArray[np.float64]
    quaternion: npt.NDArray[np.float64]

    def matrix(self) -> npt.NDArray[np.float64]:
        """The (4, 4) float64 transform from the moving frame to the fixed frame."""
        matrix = np.eye(4)
        matrix[:3, :3] = rotation_matrix(self.quaternion)
        matrix[:3, 3] = self.position
        return matrix


class PoseBuffer:
    """Buffers the latest poses and interpolates between them.

    It is not thread-safe: the caller must lock.

    Args:
        max_gap: seconds; between poses farther apart nothing is interpolated.
        max_length: how many poses are kept; the oldest go first.
        max_speed: metres a second between neighbours above which they are a jump (a relocalisation, a loop closure).
        max_turn: radians a second, likewise.

    Raises:
        ValueError: a limit is not above 0, or fewer than 2 poses would be kept.
    """

    def __init__(
        self,
        max_gap: float = 0.2,
        max_length: int = 1000,
        max_speed: float = 3.0,
        max_turn: float = 2.0 * math.pi,
    ) -> None:
        for name, value in (("max_gap", max_gap), ("max_speed", max_speed), ("max_turn", max_turn)):
            if not value > 0:
                raise ValueError(f"{name} is {value}: it must be above 0")
        if max_length < 2:
            raise ValueError(f"max_length is {max_length}: at least 2 poses are needed to interpolate")
        self._max_gap_ns = max_gap * NANOSECONDS
        self._max_length = max_length
        self._max_speed, self._max_turn = max_speed, max_turn
        self._stamps: list[int] = []
        self._poses: list[Pose] = []

    def __len__(self) -> int:
        """How many poses are kept."""
        return len(self._poses)

    def clear(self) -> None:
        """Remove all poses."""
        self._stamps.clear()
        self._poses.clear()

    def add(self, stamp_ns: int, position: npt.ArrayLike, quaternion: npt.ArrayLike) -> AddOutcome:
        """Add a pose.

        Args:
            stamp_ns: nanoseconds, of the same clock as the images' stamps.
            position: (3,) metres.
            quaternion: (4,) x y z w; its norm may be off 1 by `MAX_NORM_ERROR`.

        Returns:
            What became of it. A stamp more than `RESTART_NS` before the newest means that the clock went back (a bag
            that starts again): the buffer starts again with it. Any other older stamp is dropped.
        """
        pose = _valid_pose(stamp_ns, position, quaternion)
        if pose is None:
            return AddOutcome.INVALID
        outcome = AddOutcome.ADDED
        if self._stamps and stamp_ns <= self._stamps[-1]:
            if self._stamps[-1] - stamp_ns <= RESTART_NS:
                known = self._stamps[bisect.bisect_left(self._stamps, stamp_ns)] == stamp_ns
                return AddOutcome.DUPLICATE if known else AddOutcome.OUT_OF_ORDER
            self.clear()
            outcome = AddOutcome.CLOCK_WENT_BACK
        elif self._poses and self._is_jump(self._poses[-1], pose):
            outcome = AddOutcome.JUMPED
        self._stamps.append(stamp_ns)
        self._poses.append(pose)
        if len(self._poses) > self._max_length:
            del self._stamps[0], self._poses[0]
        return outcome

    def at(self, stamp_ns: int) -> Pose | PoseGap:
        """Return the pose at a stamp, or the reason why there is none.

        Position by linear interpolation, rotation by spherical linear interpolation (Shoemake 1985) along the shorter
        way. At the stamp of a pose it is that pose, whatever its neighbours are.
        """
        if not self._poses:
            return PoseGap.NONE_YET
        if stamp_ns > self._stamps[-1]:
            return PoseGap.NOT_YET
        if stamp_ns < self._stamps[0]:
            return PoseGap.TOO_OLD
        after = bisect.bisect_left(self._stamps, stamp_ns)
        if self._stamps[after] == stamp_ns:
            return self._poses[after]
        first, second = self._poses[after - 1], self._poses[after]
        if second.stamp_ns - first.stamp_ns > self._max_gap_ns:
            return PoseGap.GAP
        if self._is_jump(first, second):
            return PoseGap.JUMP
        share = (stamp_ns - first.stamp_ns) / (second.stamp_ns - first.stamp_ns)
        position = first.position + share * (second.position - first.position)
        return Pose(stamp_ns, position, slerp(first.quaternion, second.quaternion, share))

    def _is_jump(self, first: Pose, second: Pose) -> bool:
        seconds = (second.stamp_ns - first.stamp_ns) / NANOSECONDS
        moved = float(np.linalg.norm(second.position - first.position))
        turned = rotation_angle(first.quaternion, second.quaternion)
        return moved > self._max_speed * seconds or turned > self._max_turn * seconds


def slerp(first: npt.NDArray[np.float64], second: npt.NDArray[np.float64], share: float) -> npt.NDArray[np.float64]:
    """Interpolate between two rotations at constant angular speed along the shorter arc (Shoemake 1985).

    Args:
        first: (4,) unit quaternion x y z w, the result for share 0.
        second: (4,) likewise, for share 1 (or its negative, which is the same rotation).
        share: 0 to 1.

    Returns:
        (4,) unit quaternion.
    """
    cosine = float(first @ second)
    if cosine < 0.0:
        second, cosine = -second, -cosine
    angle = math.acos(min(cosine, 1.0))
    if angle < 1e-6:  # sin(angle) is lost in rounding; the chord is the arc
        mixed = (1.0 - share) * first + share * second
    else:
        mixed = (math.sin((1.0 - share) * angle) * first + math.sin(share * angle) * second) / math.sin(angle)
    return mixed / np.linalg.norm(mixed)


def rotation_angle(first: npt.NDArray[np.float64], second: npt.NDArray[np.float64]) -> float:
    """Return the angle between two rotations, in radians from 0 to pi. Both are unit quaternions x y z w."""
    # By the chord, since the arc cosine loses small angles: |q1 - q2| = 2 sin(angle / 4).
    chord = min(float(np.linalg.norm(first - second)), float(np.linalg.norm(first + second)))
    return 4.0 * math.asin(min(chord / 2.0, 1.0))


def rotation_matrix(quaternion: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the (3, 3) rotation matrix of a unit quaternion x y z w."""
    x, y, z, w = (float(value) for value in quaternion)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def _valid_pose(stamp_ns: int, position: npt.ArrayLike, quaternion: npt.ArrayLike) -> Pose | None:
    place = np.asarray(position, dtype=np.float64).copy()
    turn = np.asarray(quaternion, dtype=np.float64)
    if place.shape != (3,) or turn.shape != (4,) or not (np.isfinite(place).all() and np.isfinite(turn).all()):
        return None
    norm = float(np.linalg.norm(turn))
    if abs(norm - 1.0) > MAX_NORM_ERROR:
        return None
    return Pose(stamp_ns, place, turn / norm)
