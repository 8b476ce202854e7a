"""Visual RGB-D odometry on the depth of a sensor or of the network."""

from __future__ import annotations

from cinet_core.odometry.orb_slam3 import OrbSlam3
from cinet_core.odometry.rgbd_odometry import METHODS, RgbdOdometry

__all__ = ["METHODS", "ORB_SLAM3", "OrbSlam3", "RgbdOdometry", "open_odometry"]

ORB_SLAM3 = "orb_slam3"
"""The method that Open3D does not have."""


def open_odometry(method: str, max_depth: float) -> RgbdOdometry | OrbSlam3:
    """Open the odometry of a method: one of `METHODS`, by Open3D, or `ORB_SLAM3`.

    Raises:
        ValueError: there is no such method, max_depth is not above 0, or ORB-SLAM3 is not installed.
        Open3DError: Open3D cannot be loaded.
    """
    return OrbSlam3(max_depth) if method == ORB_SLAM3 else RgbdOdometry(max_depth, method)
