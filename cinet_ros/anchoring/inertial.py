"""Where up is, by an inertial measurement unit: from its orientation, or at rest from what it feels of gravity."""

from __future__ import annotations

from typing import Any

import numpy as np

from cinet_core.messages.errors import ConversionError
from cinet_ros.mapping.transforms import Matrix, rigid_matrix

__all__ = ["ACCELERATION_SIGMA", "ORIENTATION_SIGMA", "up_of"]

GRAVITY = 9.81
"""Metres per second squared."""

AT_REST = 0.5
"""Metres per second squared that an acceleration may differ from gravity's; beyond it the robot is moved by more."""

UNIT_TOLERANCE = 1e-2
"""How far the norm of a quaternion may be off 1."""

ORIENTATION_SIGMA, ACCELERATION_SIGMA = 0.01, 0.03
"""Radians that the up direction may be off: half a metre per second squared that is not gravity's turns it by 0.05."""


def up_of(message: Any) -> tuple[Matrix, float]:
    """Up in the frame of a sensor_msgs/Imu, and how well it is known.

    Its orientation says so, from a world whose z axis points up (REP 145), or where it has none, which its covariance
    says by a first element of -1, the acceleration: at rest it is gravity's reaction, which points up.

    Args:
        message: sensor_msgs/Imu.

    Returns:
        (3,) unit vector; standard deviation in radians about each axis across it.

    Raises:
        ConversionError: "data": there is no orientation, and no acceleration that is gravity's alone.
    """
    q = message.orientation
    quaternion = np.array([q.x, q.y, q.z, q.w], dtype=np.float64)
    if message.orientation_covariance[0] != -1 and abs(np.linalg.norm(quaternion) - 1.0) <= UNIT_TOLERANCE:
        return rigid_matrix((0.0, 0.0, 0.0), tuple(quaternion.tolist()))[2, :3].copy(), ORIENTATION_SIGMA
    a = message.linear_acceleration
    felt = np.array([a.x, a.y, a.z], dtype=np.float64)
    size = float(np.linalg.norm(felt))
    if message.linear_acceleration_covariance[0] == -1 or not abs(size - GRAVITY) <= AT_REST:
        raise ConversionError(
            "data",
            f"it has no orientation, and its acceleration of {size:.2f} m/s^2 is not gravity's {GRAVITY} to within "
            f"{AT_REST}: let a filter, such as imu_filter_madgwick, publish the orientation",
        )
    return felt / size, ACCELERATION_SIGMA
