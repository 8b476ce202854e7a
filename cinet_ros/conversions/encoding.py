"""The node's message classes, and its one-picture messages, which are allocated once and refilled."""

from __future__ import annotations

import array
from typing import Any

from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2, PointField, RegionOfInterest
from std_msgs.msg import Header

from cinet_core.geometry import Intrinsics
from cinet_core.messages import encoding
from cinet_core.messages.fields import MessageTypes


def allocate(length: int) -> array.array[int]:
    """Zeroed bytes of the only type that every distribution assigns to ``data`` without looking at each element."""
    return array.array("B", bytes(length))


ROS_TYPES = MessageTypes(
    header=Header,
    image=Image,
    compressed_image=CompressedImage,
    camera_info=CameraInfo,
    region_of_interest=RegionOfInterest,
    point_cloud=PointCloud2,
    point_field=PointField,
    allocate=allocate,
    numbers=list,
)


class ImageBuffer(encoding.ImageBuffer):
    """An rclpy sensor_msgs/Image of fixed size and encoding, filled in place."""

    def __init__(self, name: str, height: int, width: int) -> None:
        """Allocate for the encoding of this name; raises as the base class does."""
        super().__init__(ROS_TYPES, name, height, width)


def camera_info_message(intrinsics: Intrinsics, header: Any) -> CameraInfo:
    """The calibration of a published, undistorted image, with the image's header."""
    return encoding.camera_info_message(ROS_TYPES, intrinsics, header)
