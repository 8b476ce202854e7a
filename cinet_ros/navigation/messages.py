"""Builds clouds and scans of a segmented frame, in the robot's base frame."""

from __future__ import annotations

import array
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from sensor_msgs.msg import LaserScan, PointCloud2, PointField
from std_msgs.msg import Header

from cinet_core.obstacles.cliffs import Cliffs
from cinet_core.obstacles.clouds import ObstaclePoints
from cinet_core.obstacles.scan import LaserScan as Scan
from cinet_ros.conversions.ros_types import allocate

__all__ = ["cliffs_message", "cloud_message", "obstacles_message", "scan_message"]

_TYPES = {"float32": PointField.FLOAT32, "uint32": PointField.UINT32}


def cloud_message(xyz: npt.NDArray[np.float32], header: Header, **fields: npt.NDArray[Any]) -> PointCloud2:
    """Return an unorganised cloud without invalid points; of no points, a cloud of none.

    Args:
        xyz: (N, 3) float32 metres.
        header: shared with the message, not copied.
        fields: (N,) further values by name, float32 or uint32; they follow x, y and z without padding.
    """
    columns: Mapping[str, npt.NDArray[Any]] = {"x": xyz[:, 0], "y": xyz[:, 1], "z": xyz[:, 2], **fields}
    points = np.empty(len(xyz), dtype=[(name, column.dtype) for name, column in columns.items()])
    for name, column in columns.items():
        points[name] = column
    message = PointCloud2(
        header=header,
        height=1,
        width=len(xyz),
        fields=[
            PointField(name=name, offset=4 * number, datatype=_TYPES[column.dtype.name], count=1)
            for number, (name, column) in enumerate(columns.items())
        ],
        is_bigendian=sys.byteorder == "big",
        point_step=points.itemsize,
        row_step=points.nbytes,
        is_dense=True,
    )
    message.data = allocate(points.nbytes)
    np.frombuffer(message.data, dtype=points.dtype)[:] = points
    return message


def obstacles_message(points: ObstaclePoints, lowered: float, header: Header) -> PointCloud2:
    """Return obstacles as x y z label confidence, 20 bytes a point.

    Args:
        points: above the floor beneath the base.
        lowered: metres of the base frame's origin above that floor.
        header: shared with the message, not copied.
    """
    return cloud_message(
        _shifted(points.xyz, lowered), header, label=points.labels.astype(np.uint32), confidence=points.confidence
    )


def cliffs_message(cliffs: Cliffs, lowered: float, header: Header) -> PointCloud2:
    """Return edges of the floor as x y z drop, the metres that what is beyond lies lower. Arguments as above."""
    return cloud_message(_shifted(cliffs.xyz, lowered), header, drop=cliffs.drop)


def scan_message(scan: Scan, header: Header) -> LaserScan:
    """Return the scan: infinite where a bearing is free up to ``range_max``, NaN where it is not known.

    Args:
        scan: of a frame.
        header: shared with the message, not copied.
    """
    bearings = scan.bearings
    message = LaserScan(
        header=header,
        angle_min=bearings.first,
        angle_max=bearings.first + bearings.step * (bearings.count - 1),
        angle_increment=bearings.step,
        range_min=scan.min_range,
        range_max=scan.max_range,
    )
    message.ranges = array.array("f", scan.ranges.tobytes())
    return message


def _shifted(xyz: npt.NDArray[np.float32], lowered: float) -> npt.NDArray[np.float32]:
    return xyz - np.array([0.0, 0.0, lowered], dtype=np.float32) if lowered else xyz
