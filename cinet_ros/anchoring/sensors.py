"""Measurements of depth out of messages of sensors, in the image of a camera."""

from __future__ import annotations

from typing import Any

import numpy as np

from cinet_core.anchors import AnchorMeasurement, measure_cloud, measure_depth_image, measure_scan
from cinet_core.geometry import Intrinsics
from cinet_core.messages.camera import CameraModelCache
from cinet_core.messages.errors import ConversionError
from cinet_core.messages.planes import read_depth
from cinet_ros.mapping.transforms import Matrix
from cinet_ros.viewer.points import read_positions

__all__ = ["MAX_RAYS", "DepthReader", "cloud_measurement", "scan_measurement"]

MAX_RAYS = 100_000
"""Of a scan: more is no lidar with one row."""


def scan_measurement(message: Any, intrinsics: Intrinsics, transform: Matrix | None) -> AnchorMeasurement:
    """Measure by a sensor_msgs/LaserScan.

    Args:
        message: its ranges outside of range_min to range_max are no measurements (REP 117).
        intrinsics: of the image.
        transform: (4, 4), the lidar's frame to the optical frame; None where they are the same.

    Raises:
        ConversionError: "data": angles are no numbers, or there are more than `MAX_RAYS` ranges.
    """
    ranges = np.asarray(message.ranges, dtype=np.float64)
    first, step = float(message.angle_min), float(message.angle_increment)
    low, high = float(message.range_min), float(message.range_max)
    if not np.isfinite([first, step, low, high]).all() or ranges.size > MAX_RAYS:
        raise ConversionError(
            "data",
            f"the scan has {ranges.size} ranges from {low} to {high} m, the first at {first} rad and {step} rad "
            f"between: finite numbers and at most {MAX_RAYS} ranges are needed; look at the lidar's driver",
        )
    return measure_scan(ranges, first, step, np.eye(4) if transform is None else transform, intrinsics, low, high)


def cloud_measurement(message: Any, intrinsics: Intrinsics, transform: Matrix | None) -> AnchorMeasurement:
    """Measure by a sensor_msgs/PointCloud2 of any fields.

    Raises:
        ConversionError: it has no x, y and z, or is cut off.
    """
    return measure_cloud(read_positions(message), intrinsics, transform)


class DepthReader:
    """Measures by depth images of one sensor."""

    def __init__(self) -> None:
        self._models = CameraModelCache()

    def measurement(
        self, message: Any, info: Any, intrinsics: Intrinsics, transform: Matrix | None
    ) -> AnchorMeasurement:
        """Measure by a sensor_msgs/Image in 32FC1 or 16UC1, and its camera_info.

        Raises:
            ConversionError: the image or its camera_info cannot be read.
        """
        depth = read_depth(message)
        height, width = depth.shape
        own = self._models.get(info, width, height, True).intrinsics
        return measure_depth_image(depth, own, intrinsics, transform)
