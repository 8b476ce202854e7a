"""rclpy's message classes, for the builders of `cinet_core.messages`."""

from __future__ import annotations

import array

from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2, PointField, RegionOfInterest
from std_msgs.msg import Header

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
