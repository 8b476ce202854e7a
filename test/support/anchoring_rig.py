"""The correction of a camera off the wire: a room's depth, too large, for a prediction, and what a robot sends."""

from __future__ import annotations

import functools
import time
from typing import Any

import numpy as np
from nav_msgs.msg import Odometry
from rclpy.node import Node
from room_on_the_wire import quaternion
from sensor_msgs.msg import CameraInfo, Image, Imu, LaserScan, PointCloud2, PointField
from std_msgs.msg import Header

from cinet_core.geometry import Intrinsics, unproject
from cinet_core.label_sets import NYU40
from cinet_core.messages.colors import LabelPainter
from cinet_core.messages.encoding import ImageBuffer, camera_info_message
from cinet_core.messages.result import Result
from cinet_core.rooms.demo.room import SyntheticRoom
from cinet_ros.anchoring.frame_correction import FrameCorrection
from cinet_ros.anchoring.inputs import AnchorInputs
from cinet_ros.anchoring.state import CorrectionState
from cinet_ros.conversions.ros_types import ROS_TYPES
from cinet_ros.diagnostics import Conditions
from cinet_ros.parameters import Settings

SECOND = 1_000_000_000
STEP = SECOND // 10
OPTICAL, BASE, FIXED = "camera_optical_frame", "base_link", "odom"
HERE = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0)
SAME_FRAMES = {"camera_in_base": HERE, "scan_in_camera": HERE, "depth_in_camera": HERE}
WRONG = 1.3
"""What the prediction is wrong by."""

LIDAR_IN_CAMERA = (0.0, 0.0, 0.0, *quaternion(np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]])))
"""x forward, y left, z up of the lidar in the optical frame."""


@functools.cache
def room() -> SyntheticRoom:
    """The room, whose views are kept."""
    return SyntheticRoom(3, 160, 120)


class Rig:
    """The correction of a camera, with the room's depth, too large, for a prediction."""

    def __init__(self, node: Node, **parameters: Any) -> None:
        self.settings = Settings(weights="random", **{**SAME_FRAMES, **parameters})
        self.room = room()
        self.inputs = AnchorInputs(node, self.settings)
        self.inputs.update(self.settings.correction, wanted=True)
        self.state = CorrectionState()
        self.conditions = Conditions(node.get_logger())
        self.correction = FrameCorrection(self.inputs, NYU40, self.conditions, self.state)
        self.number = 0

    def send(self, topic: str, message: Any) -> None:
        """What rclpy's executor does with a message that it took."""
        self.inputs._callback(topic)(message)

    def header(self, number: int | None = None, frame: str = OPTICAL) -> Header:
        stamp = SECOND + STEP * (self.number if number is None else number)
        header = Header(frame_id=frame)
        header.stamp.sec, header.stamp.nanosec = divmod(stamp, SECOND)
        return header

    def view(self, number: int | None = None) -> Any:
        return self.room.render(self.number if number is None else number, 200)

    def odometry(self, number: int | None = None, **changes: Any) -> Odometry:
        pose = self.view(number).camera_to_world
        message = Odometry(header=self.header(number, FIXED), child_frame_id=BASE)
        at, turn = message.pose.pose.position, message.pose.pose.orientation
        at.x, at.y, at.z = map(float, pose[:3, 3])
        turn.x, turn.y, turn.z, turn.w = quaternion(pose[:3, :3])
        for name, value in changes.items():
            setattr(message, name, value)
        return message

    def frame(self, wrong: float | np.ndarray = WRONG, intrinsics: Intrinsics | None = None) -> Result:
        view = self.view()
        outputs = {
            "depth": (view.depth * wrong).astype(np.float32),
            "labels": view.labels.copy(),
            "confidence": np.full(view.labels.shape, 200, np.uint8),
        }
        camera = intrinsics or self.room.intrinsics
        return Result(self.header(), view.image, outputs, camera, LabelPainter(NYU40.palette))

    def correct(self, **arguments: Any) -> tuple[Result, float]:
        """The next frame, corrected, and its mean relative error."""
        result = self.frame(**arguments)
        truth = self.view().depth
        self.correction.begin(result.image, result.header, result.intrinsics, self.settings)
        time.sleep(0.02 if self.settings.correction.uses("odometry") else 0.0)  # as the network would take
        self.correction.apply(result, self.settings)
        self.number += 1
        return result, float(np.nanmean(np.abs(result.depth / truth - 1)))

    def sparse_depth(self, step: int = 8) -> tuple[Image, CameraInfo]:
        """The room's depth as a sensor of lower resolution has it."""
        depth = self.view().depth[step // 2 :: step, step // 2 :: step].copy()
        k = self.room.intrinsics
        small = Intrinsics(
            k.fx / step,
            k.fy / step,
            (k.cx - step // 2) / step,
            (k.cy - step // 2) / step,
            depth.shape[1],
            depth.shape[0],
        )
        buffer = ImageBuffer(ROS_TYPES, "32FC1", *depth.shape)
        buffer.fill_depth(depth, self.header())
        return buffer.message, camera_info_message(ROS_TYPES, small, self.header())

    def scan(self, **changes: Any) -> LaserScan:
        """One row of the room's depth, as a lidar in the camera has it: angles about its z axis, which looks up."""
        points = unproject(self.view().depth, self.room.intrinsics)[60]
        # The lidar's x is the camera's z, its y the camera's -x.
        angles = np.arctan2(-points[:, 0], points[:, 2])
        ranges = np.hypot(points[:, 0], points[:, 2])
        order = np.linspace(angles.min(), angles.max(), 160)
        message = LaserScan(header=self.header(frame="lidar"), angle_min=float(order[0]))
        message.angle_max, message.angle_increment = float(order[-1]), float(order[1] - order[0])
        message.range_min, message.range_max = 0.05, 30.0
        message.ranges = [float(value) for value in np.interp(order, angles[::-1], ranges[::-1])]
        for name, value in changes.items():
            setattr(message, name, value)
        return message

    def imu(self, number: int | None = None, accelerated: float = 0.0, filtered: bool = True) -> Imu:
        """An inertial unit in the camera: its orientation in the world, or what it feels, pushed along its x axis."""
        pose = self.view(number).camera_to_world
        message = Imu(header=self.header(number))
        turn, felt = message.orientation, 9.81 * pose[2, :3] + [accelerated, 0.0, 0.0]
        turn.x, turn.y, turn.z, turn.w = quaternion(pose[:3, :3])
        if not filtered:
            message.orientation_covariance[0] = -1.0
            turn.x = turn.y = turn.z = turn.w = 0.0
        felt_by = message.linear_acceleration
        felt_by.x, felt_by.y, felt_by.z = map(float, felt)
        return message

    def cloud(self, fields: str = "xyz") -> PointCloud2:
        points = unproject(self.view().depth, self.room.intrinsics)[::10, ::10].reshape(-1, 3)
        names = [PointField(name=name, offset=4 * place, datatype=7, count=1) for place, name in enumerate(fields)]
        message = PointCloud2(header=self.header(), height=1, width=len(points), fields=names, point_step=12)
        message.row_step, message.data = 12 * len(points), points.astype("<f4").tobytes()
        return message
