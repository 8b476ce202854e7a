"""Builds the output messages of a frame with the message classes of rclpy."""

from __future__ import annotations

from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2

from cinet_core.label_sets import LabelSet
from cinet_core.messages import frame
from cinet_core.messages.topics import TOPICS
from cinet_ros.conversions.ros_types import ROS_TYPES

_CLASSES: dict[str, type] = {
    "sensor_msgs/msg/CameraInfo": CameraInfo,
    "sensor_msgs/msg/CompressedImage": CompressedImage,
    "sensor_msgs/msg/Image": Image,
    "sensor_msgs/msg/PointCloud2": PointCloud2,
}

MESSAGE_TYPES: dict[str, type] = {topic: _CLASSES[kind] for topic, kind in TOPICS.items()}
"""In the order of publishing."""


class RosMessageBuilder(frame.FrameMessageBuilder):
    """Builds the messages of one camera. Use one instance per thread.

    Args:
        label_set: of the model.
    """

    def __init__(self, label_set: LabelSet) -> None:
        super().__init__(ROS_TYPES, label_set)
