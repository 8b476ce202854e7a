"""The semantic point cloud as rclpy's sensor_msgs/PointCloud2."""

from __future__ import annotations

from cinet_core.messages import cloud
from cinet_ros.conversions.encoding import ROS_TYPES


class CloudBuffer(cloud.CloudBuffer):
    """A PointCloud2 for images of one size, filled in place."""

    def __init__(self, height: int, width: int, decimation: int = 1) -> None:
        """Allocate; raises as the base class does."""
        super().__init__(ROS_TYPES, height, width, decimation)
