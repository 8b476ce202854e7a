"""The synthetic room as a perception node and a robot's odometry would publish it: exact depth, labels and poses."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from nav_msgs.msg import Odometry
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from cinet_core.geometry import unproject
from cinet_core.label_sets import NYU40
from cinet_core.messages.encoding import ImageBuffer, camera_info_message
from cinet_core.rooms.demo.room import SyntheticFrame, SyntheticRoom, camera_pose
from cinet_ros.conversions.ros_types import ROS_TYPES

SECOND = 1_000_000_000
# 24 views, 5 a second: the camera walks around the table at 1.6 m/s.
VIEWS = 24
INTERVAL = SECOND // 5
OPTICAL_FRAME, BASE_FRAME, MAP_FRAME = "camera_optical_frame", "base_link", "odom"


def pose_matrix(values: tuple[float, ...]) -> np.ndarray:
    """(4, 4) of x y z qx qy qz qw, by turning the axes one at a time (q v q*)."""
    x, y, z, w = values[3:]
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    matrix = np.eye(4)
    matrix[:3, :3] = np.eye(3) + 2 * w * cross + 2 * cross @ cross
    matrix[:3, 3] = values[:3]
    return matrix


def quaternion(rotation: np.ndarray) -> tuple[float, ...]:
    """x y z w of a (3, 3) rotation: the eigenvector that it leaves alone, by power of the 4x4 of Bar-Itzhack (2000)."""
    r = rotation
    k = np.array(
        [
            [r[0, 0] - r[1, 1] - r[2, 2], r[0, 1] + r[1, 0], r[0, 2] + r[2, 0], r[2, 1] - r[1, 2]],
            [r[0, 1] + r[1, 0], r[1, 1] - r[0, 0] - r[2, 2], r[1, 2] + r[2, 1], r[0, 2] - r[2, 0]],
            [r[0, 2] + r[2, 0], r[1, 2] + r[2, 1], r[2, 2] - r[0, 0] - r[1, 1], r[1, 0] - r[0, 1]],
            [r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1], r.trace()],
        ]
    )
    return tuple(float(value) for value in np.linalg.eigh(k)[1][:, 3])


def looking_ahead(pitch: float) -> np.ndarray:
    """(3, 3) optical frame to base, for a camera that looks along the base's x axis, down by so many radians."""
    forward, right = np.array([math.cos(pitch), 0.0, -math.sin(pitch)]), np.array([0.0, -1.0, 0.0])
    return np.stack([right, np.cross(forward, right), forward], axis=1)


# 10 cm before its base and 40 cm above it, and 5 degrees down: x y z qx qy qz qw.
CAMERA_IN_BASE = (0.1, 0.0, 0.4, *quaternion(looking_ahead(math.radians(5.0))))


@functools.cache  # rendering takes most of the time that a test takes
def _room(width: int) -> SyntheticRoom:
    return SyntheticRoom(width=width, height=width * 3 // 4)


@functools.cache
def _rendered(width: int, index: int) -> SyntheticFrame:
    return _room(width).render(index, VIEWS)


@dataclass(frozen=True)
class View:
    """A frame of the room, rendered when it is looked at, and its stamp in nanoseconds."""

    width: int
    index: int
    stamp: int

    @property
    def frame(self) -> SyntheticFrame:
        """Image, depth, labels and pose."""
        return _rendered(self.width, self.index)


class RoomOnTheWire:
    """Views of a room and the messages they are.

    Args:
        start: stamp of the first view, nanoseconds.
        width: of the images; their height is three quarters of it.
    """

    def __init__(self, start: int = 1000 * SECOND, width: int = 160) -> None:
        self.start = start
        self.intrinsics = _room(width).intrinsics
        self.views = [View(width, index, start + index * INTERVAL) for index in range(VIEWS)]

    def surface(self, every: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """(N, 3) points of the room that the views show, exact, and (N,) their labels; every n-th pixel both ways."""
        points, labels = [], []
        for view in self.views:
            camera = unproject(view.frame.depth, self.intrinsics)[::every, ::every].reshape(-1, 3)
            pose = view.frame.camera_to_world
            points.append(camera @ pose[:3, :3].T + pose[:3, 3])
            labels.append(view.frame.labels[::every, ::every].ravel())
        return np.concatenate(points), np.concatenate(labels)

    def messages(self, view: View, stamp: int | None = None) -> dict[str, Any]:
        """What the perception node publishes for a view, by topic; with another stamp where one is given."""
        header = Header(frame_id=OPTICAL_FRAME, stamp=time_of(view.stamp if stamp is None else stamp))
        height, width = view.frame.depth.shape
        confidence = np.full((height, width), 200, dtype=np.uint8)

        def buffer(encoding: str) -> ImageBuffer:
            return ImageBuffer(ROS_TYPES, encoding, height, width)

        return {
            "depth_registered/camera_info": camera_info_message(ROS_TYPES, self.intrinsics, header),
            "depth_registered/image_rect": buffer("32FC1").fill_depth(view.frame.depth, header),
            "semantic/image_raw": buffer("mono8").fill(view.frame.labels, header),
            "semantic/confidence": buffer("mono8").fill(confidence, header),
            "rgb/image_rect": buffer("rgb8").fill(view.frame.image, header),
        }

    def odometry(self, stamp: int, moved: float = 0.0) -> Odometry:
        """Where the base is at a stamp; ``moved`` metres along x from there, for a jump."""
        turns = (stamp - self.start) / (VIEWS * INTERVAL)
        base = camera_pose(2.0 * math.pi * turns) @ np.linalg.inv(pose_matrix(CAMERA_IN_BASE))
        message = Odometry(header=Header(frame_id=MAP_FRAME, stamp=time_of(stamp)), child_frame_id=BASE_FRAME)
        position, turn = message.pose.pose.position, message.pose.pose.orientation
        position.x, position.y, position.z = float(base[0, 3]) + moved, float(base[1, 3]), float(base[2, 3])
        turn.x, turn.y, turn.z, turn.w = quaternion(base[:3, :3])
        return message


MESSAGE_TYPES = {
    "depth_registered/camera_info": CameraInfo,
    "depth_registered/image_rect": Image,
    "semantic/image_raw": Image,
    "semantic/confidence": Image,
    "rgb/image_rect": Image,
}
LABEL_SET = NYU40


def time_of(stamp: int) -> Time:
    """A stamp in nanoseconds as a message."""
    return Time(sec=stamp // SECOND, nanosec=stamp % SECOND)


class NoOutputs:
    """In place of the mapper's publishers: nobody subscribes."""

    def wanted(self) -> bool:
        """Nobody does."""
        return False

    def wanted_objects(self) -> frozenset[str]:
        """Nobody does."""
        return frozenset()

    def publish(self, messages: dict[str, Any], gate: Any) -> None:
        """Nothing is to be made for nobody."""
        assert not messages
