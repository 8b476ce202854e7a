"""Sources of camera poses: odometry messages, pose messages, or TF."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from geometry_msgs.msg import PoseStamped
from nav_msgs.msg import Odometry

from cinet_core.messages.fields import stamp_of
from cinet_core.poses import AddOutcome, PoseBuffer, PoseGap
from cinet_ros.mapping.parameters import NOT_GIVEN
from cinet_ros.mapping.transforms import Matrix, PoseUnavailable, TransformTree, rigid_matrix

ODOMETRY, POSE, TF = "odometry", "pose", "tf"
# Source -> topic and type.
MESSAGES: Mapping[str, tuple[str, type]] = {ODOMETRY: ("odom", Odometry), POSE: ("pose", PoseStamped)}

# Why a frame has no pose -> reason of its drop, and whether the pose may still come.
GAPS = {
    PoseGap.NONE_YET: ("pose_missing", True),
    PoseGap.NOT_YET: ("pose_late", True),
    PoseGap.TOO_OLD: ("pose_too_old", False),
    PoseGap.GAP: ("pose_gap", False),
    PoseGap.JUMP: ("pose_jump", False),
}
# Ten seconds at 500 Hz: frames may wait that long for a machine that is slow, or for the perception node.
KEPT_POSES = 5000

USED = (AddOutcome.ADDED, AddOutcome.JUMPED, AddOutcome.CLOCK_WENT_BACK)


class PoseSettings(Protocol):
    """What a source of poses needs to know, such as `MappingSettings`."""

    @property
    def pose_source(self) -> str:
        """One of `ODOMETRY`, `POSE` and `TF`."""

    @property
    def camera_in_base(self) -> tuple[float, ...]:
        """Pose of the optical frame in the frame that poses are of; `NOT_GIVEN`: from TF."""

    @property
    def map_frame(self) -> str:
        """The fixed frame; empty: that of the first pose."""

    @property
    def max_pose_gap(self) -> float:
        """Seconds between poses beyond which nothing is interpolated."""

    @property
    def max_speed(self) -> float:
        """Metres a second beyond which a motion is a jump."""

    @property
    def max_turn_rate(self) -> float:
        """Degrees a second, likewise."""


class PoseSource(Protocol):
    """Provides the pose of the camera at the stamp of a frame. Thread-safe.

    Attributes:
        topic: that is subscribed to; empty for TF.
        map_frame: the fixed frame; empty until it is known.
        last_received: steady clock, seconds; None before the first.
    """

    topic: str
    map_frame: str
    last_received: float | None

    def camera_pose(self, stamp: int, camera_frame: str) -> Matrix:
        """Return the (4, 4) transform from the optical to the map frame at a stamp in nanoseconds.

        Raises:
            PoseUnavailable: there is none, or none yet.
        """

    def counts(self) -> Mapping[str, int]:
        """Return how many poses were received, and how many were refused or unusual, by reason."""

    def receive(self, message: Any) -> str | None:
        """Add a message, and return what is wrong with it, or None."""

    def clear(self) -> None:
        """Remove all poses, for example after a jump of the clock."""


def open_pose_source(node: Any, settings: PoseSettings) -> PoseSource:
    """Open the pose source that the parameters select.

    Raises:
        ValueError: it lacks an extrinsic, a frame or tf2_ros; the text names the remedy.
    """
    given = settings.camera_in_base != NOT_GIVEN
    if settings.pose_source == TF:
        if not settings.map_frame:
            raise ValueError("pose_source = tf needs map_frame: set it to the fixed frame, such as odom or map")
        return TransformPoses(settings, TransformTree(node, "pose_source = tf"))
    if given:
        fixed = rigid_matrix(settings.camera_in_base[:3], settings.camera_in_base[3:])
        return MessagePoses(settings, lambda base, camera: fixed)
    remedy = "camera_in_base to the pose of the optical frame in the frame that the poses are of: x y z qx qy qz qw"
    if settings.pose_source == POSE:
        raise ValueError(
            f"pose_source = pose needs the extrinsic, since PoseStamped does not say whose pose it is: set {remedy} "
            "(0 0 0 0 0 0 1 where they are the optical frame's own)"
        )
    tree = TransformTree(node, f"the extrinsic of the camera is not given and is looked up in TF; else set {remedy}")
    return MessagePoses(settings, tree.fixed)


class MessagePoses:
    """Poses of the camera from messages with the pose of the base and a fixed extrinsic.

    Args:
        settings: of the node.
        extrinsic: (base frame, optical frame) -> (4, 4) optical to base; raises PoseUnavailable.
    """

    def __init__(self, settings: PoseSettings, extrinsic: Callable[[str, str], Matrix]) -> None:
        self.topic, _ = MESSAGES[settings.pose_source]
        self.map_frame = settings.map_frame
        self.last_received: float | None = None
        self._extrinsic = extrinsic
        self._base_frame: str | None = None
        self._buffer = _buffer(settings)
        self._landings: deque[int] = deque(maxlen=KEPT_POSES)  # stamps of the first poses after jumps
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def receive(self, message: Any) -> str | None:
        """Take an Odometry or a PoseStamped; see `PoseSource`."""
        with self._lock:
            self.last_received = time.monotonic()
            self._counts["received"] += 1
            refusal = self._refusal(message)
            if refusal is not None:
                return refusal
            pose = message.pose.pose if isinstance(message, Odometry) else message.pose
            position = (pose.position.x, pose.position.y, pose.position.z)
            turn = (pose.orientation.x, pose.orientation.y, pose.orientation.z, pose.orientation.w)
            outcome = self._buffer.add(stamp_of(message), position, turn)
            if outcome != AddOutcome.ADDED:
                self._counts[outcome.name.lower()] += 1
            if outcome == AddOutcome.JUMPED:
                self._landings.append(stamp_of(message))
        return None if outcome in USED else f"a pose on {self.topic} is not used: {outcome.value}"

    def camera_pose(self, stamp: int, camera_frame: str) -> Matrix:
        """See `PoseSource`."""
        with self._lock:
            # The buffer vouches for what it interpolates. A pose of just this stamp may be an outlier by itself.
            found = PoseGap.JUMP if stamp in self._landings else self._buffer.at(stamp)
            base_frame = self._base_frame
        if isinstance(found, PoseGap):
            raise unavailable(found, self.topic)
        return found.matrix() @ self._extrinsic(base_frame or "", camera_frame)

    def counts(self) -> Mapping[str, int]:
        """See `PoseSource`."""
        with self._lock:
            return dict(self._counts)

    def clear(self) -> None:
        """See `PoseSource`."""
        with self._lock:
            self._buffer.clear()
            self._landings.clear()

    def _refusal(self, message: Any) -> str | None:
        """Why a message is not even looked at: another frame, or no time."""
        frame, base = message.header.frame_id, getattr(message, "child_frame_id", "")
        if stamp_of(message) == 0:
            self._counts["zero_stamp"] += 1
            return f"poses on {self.topic} have no stamp: none can be matched to an image; look at the publisher"
        if frame != (self.map_frame or frame) or not frame:
            self._counts["other_frame"] += 1
            return (
                f"a pose on {self.topic} is in the frame {frame!r} but the map is in {self.map_frame!r}: set "
                "map_frame to the frame of the poses, and let one node publish them"
            )
        if base != (base if self._base_frame is None else self._base_frame):
            self._counts["other_base"] += 1
            return (
                f"a pose on {self.topic} is of {base!r} but those before were of {self._base_frame!r}: remap the topic "
                "so that one node publishes it"
            )
        self.map_frame, self._base_frame = frame, base
        return None


class TransformPoses:
    """Poses of the camera from TF, which interpolates them.

    Args:
        settings: of the node.
        tree: of all transforms.
    """

    def __init__(self, settings: PoseSettings, tree: TransformTree) -> None:
        self.topic = ""
        self.map_frame = settings.map_frame
        self.last_received: float | None = None
        self._tree = tree
        self._seen = _buffer(settings)  # what was looked up, to tell a jump
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def receive(self, message: Any) -> str | None:
        """Do nothing: TF has subscriptions of its own."""
        raise NotImplementedError("TF receives its messages itself")

    def camera_pose(self, stamp: int, camera_frame: str) -> Matrix:
        """See `PoseSource`."""
        position, turn = self._tree.at(self.map_frame, camera_frame, stamp)
        with self._lock:
            self.last_received = time.monotonic()
            self._counts["received"] += 1
            outcome = self._seen.add(stamp, position, turn)
            if outcome != AddOutcome.ADDED:
                self._counts[outcome.name.lower()] += 1
        if outcome == AddOutcome.JUMPED:
            raise unavailable(PoseGap.JUMP, "TF")
        if outcome == AddOutcome.INVALID:
            raise PoseUnavailable("pose_invalid", False, f"TF holds {outcome.value}; look at who publishes it")
        return rigid_matrix(position, turn)

    def counts(self) -> Mapping[str, int]:
        """See `PoseSource`."""
        with self._lock:
            return dict(self._counts)

    def clear(self) -> None:
        """See `PoseSource`."""
        with self._lock:
            self._seen.clear()


def unavailable(gap: PoseGap, source: str) -> PoseUnavailable:
    """Return the error for a gap between poses."""
    reason, may_come = GAPS[gap]
    return PoseUnavailable(reason, may_come, f"no pose from {source}: {gap.value}")


def _buffer(settings: PoseSettings) -> PoseBuffer:
    return PoseBuffer(
        max_gap=settings.max_pose_gap,
        max_length=KEPT_POSES,
        max_speed=settings.max_speed,
        max_turn=math.radians(settings.max_turn_rate),
    )
