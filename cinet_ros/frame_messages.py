"""Builds the output messages of a frame with the message classes of rclpy."""

from __future__ import annotations

from typing import Any

from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2

from cinet_core.label_sets import LabelSet
from cinet_core.messages import frame
from cinet_core.messages.fields import MessageTypes
from cinet_core.messages.result import Result
from cinet_core.messages.settings import OutputSettings
from cinet_core.messages.topics import TOPICS
from cinet_ros.conversions.ros_types import ROS_TYPES
from cinet_ros.navigation.frame import FrameNavigation
from cinet_ros.navigation.parameters import NavigationSettings
from cinet_ros.navigation.topics import NAVIGATION

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
        navigation: builds those for navigation; None: there are none.
        types: that images and clouds are of: `SERIALIZED_TYPES` where `serialized.send` is what publishes them.
    """

    def __init__(
        self, label_set: LabelSet, navigation: FrameNavigation | None = None, types: MessageTypes = ROS_TYPES
    ) -> None:
        super().__init__(types, label_set)
        self._navigation = navigation

    def build(self, topic: str, result: Result, settings: OutputSettings) -> Any | None:
        """See `FrameMessageBuilder`; one of `cinet_ros.navigation.topics.NAVIGATION`, too."""
        if topic not in NAVIGATION:
            return super().build(topic, result, settings)
        if self._navigation is None or not isinstance(settings, NavigationSettings):
            return None
        return self._navigation.build(topic, result, settings)
