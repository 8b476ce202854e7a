"""The topics for navigation, without prefix, and their types."""

from __future__ import annotations

from collections.abc import Mapping

from sensor_msgs.msg import LaserScan, PointCloud2
from visualization_msgs.msg import MarkerArray

__all__ = [
    "CLIFFS",
    "DETECTIONS",
    "DYNAMIC",
    "FREE",
    "GROUND",
    "MARKERS",
    "NAVIGATION",
    "OBSTACLES",
    "POINTS_AT_HEIGHT",
    "SCAN",
    "STATIC",
    "message_types",
]

OBSTACLES, STATIC, DYNAMIC = "obstacles", "obstacles/static", "obstacles/dynamic"
GROUND, FREE, CLIFFS, SCAN = "ground", "free", "cliffs", "scan"
DETECTIONS, MARKERS = "objects", "objects/markers"
POINTS_AT_HEIGHT = "points_at_height"

_TYPES: Mapping[str, type] = {
    OBSTACLES: PointCloud2,
    STATIC: PointCloud2,
    DYNAMIC: PointCloud2,
    GROUND: PointCloud2,
    FREE: PointCloud2,
    CLIFFS: PointCloud2,
    SCAN: LaserScan,
    MARKERS: MarkerArray,
    POINTS_AT_HEIGHT: PointCloud2,
}
"""In the order of publishing: what a robot must not run into comes first."""

NAVIGATION = (*_TYPES, DETECTIONS)
"""All of them. `DETECTIONS` is a vision_msgs/Detection3DArray, and there only where vision_msgs is installed."""


def message_types() -> dict[str, type]:
    """Topics and types, in the order of publishing; with `DETECTIONS` where vision_msgs is installed."""
    try:
        from vision_msgs.msg import Detection3DArray
    except ImportError:  # it comes with a distribution only, and older ones have other messages in it
        return dict(_TYPES)
    return {**_TYPES, DETECTIONS: Detection3DArray}
