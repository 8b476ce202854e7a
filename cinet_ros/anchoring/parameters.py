"""Parameters of the perception node about anchors and what is kept from frame to frame."""

from __future__ import annotations

import math
from dataclasses import dataclass

from cinet_core.correction.settings import ANCHORS, TEMPORAL, CorrectionSettings
from cinet_core.messages.settings import OutputSettings
from cinet_core.parameters import parameter

__all__ = ["NOT_GIVEN", "AnchorSettings", "check_transform"]

NOT_GIVEN = (0.0,) * 7
"""A transform that is not given: no rotation is all zeros."""

UNIT_TOLERANCE = 1e-2
"""How far the norm of a quaternion may be off 1: three digits are enough."""

TRANSFORMS = ("camera_in_base", "scan_in_camera", "depth_in_camera", "imu_in_camera")


@dataclass(frozen=True)
class AnchorSettings(OutputSettings):
    """Parameters of anchors. Lengths in metres, times in seconds, angles in degrees.

    Raises:
        ValueError: a value is of the wrong type, out of its range, or at odds with another; the text names the
            parameter, its value and what is accepted.
    """

    anchor: str = parameter(
        "none",
        "what corrects depth (docs/anchors_node.md); auto: every source whose messages come; odometry: tracked points "
        "and known motion; floor: the height of the camera; scan: a lidar's `anchor/scan`; depth: a sparse or slow "
        "sensor's `anchor/depth/image` or `anchor/points`; motion: the image alone, which fixes shape but no metres",
        choices=ANCHORS,
        run_time=True,
    )
    temporal: str = parameter(
        "off",
        "what is kept from frame to frame along the camera's motion: nothing; field: what anchors corrected; fused: "
        "also depth and labels of every pixel, so that static things stop flickering",
        choices=TEMPORAL,
        run_time=True,
    )
    anchor_poses: str = parameter(
        "odometry",
        "where the camera's motion comes from: nav_msgs/Odometry on `anchor/odom`, or tf (needs tf2_ros)",
        choices=("odometry", "tf"),
    )
    anchor_fixed_frame: str = parameter("odom", "with anchor_poses = tf: the frame that does not move and never jumps")
    camera_in_base: tuple[float, ...] = parameter(
        NOT_GIVEN,
        "pose of the optical frame (x right, y down, z forward) in the frame that the odometry is of: x y z qx qy qz "
        "qw; all 0: from TF. For a single camera",
    )
    scan_in_camera: tuple[float, ...] = parameter(
        NOT_GIVEN, "pose of the lidar's frame in the optical frame: x y z qx qy qz qw; all 0: from TF"
    )
    depth_in_camera: tuple[float, ...] = parameter(
        NOT_GIVEN,
        "pose of the frame of `anchor/depth/image` and `anchor/points` in the optical frame: x y z qx qy qz qw; all 0: "
        "from TF, or none where it is the same frame",
    )
    camera_height: float = parameter(
        0.0, "of the camera above the floor; 0: from TF to anchor_floor_frame", limits=(0.0, 10.0), run_time=True
    )
    anchor_floor_frame: str = parameter(
        "base_footprint", "frame on the floor, z up: height and up direction of the camera, for the anchor floor"
    )
    anchor_up: str = parameter(
        "fixed",
        "up direction of the camera, for the anchor floor; fixed: that of camera_in_base, whose base stands level, or "
        "of anchor_floor_frame; imu: sensor_msgs/Imu on `anchor/imu`, for a camera that pitches, or drives up a ramp",
        choices=("fixed", "imu"),
        run_time=True,
    )
    imu_in_camera: tuple[float, ...] = parameter(
        NOT_GIVEN,
        "pose of the frame of `anchor/imu` in the optical frame, of which its rotation matters: x y z qx qy qz qw; all "
        "0: from TF",
    )
    anchor_pose_timeout: float = parameter(
        0.02,
        "how long a predicted frame waits for the pose of its stamp; later it goes out without",
        limits=(0.0, 1.0),
        run_time=True,
    )
    anchor_max_age: float = parameter(
        0.1,
        "scans and depth this far from the image's stamp are used as they are; older ones, up to 2 s, only where the "
        "camera's motion since is known",
        limits=(0.0, 2.0),
        run_time=True,
    )
    anchor_max_speed: float = parameter(
        3.0,
        "faster motion of the base between two poses (metres a second) is a jump, and nothing is carried over it",
        limits=(0.01, 1000.0),
    )

    def __post_init__(self) -> None:
        """Check every value, then those that depend on each other."""
        super().__post_init__()
        for name in TRANSFORMS:
            value = getattr(self, name)
            if value != NOT_GIVEN:
                check_transform(name, value)
        for name in ("anchor_fixed_frame", "anchor_floor_frame"):
            if not getattr(self, name).strip("/"):
                raise ValueError(f"{name} is empty: give the name of a frame, such as odom or base_footprint")

    @property
    def correction(self) -> CorrectionSettings:
        """What is to be done to frames."""
        return CorrectionSettings(self.anchor, self.temporal)


def check_transform(name: str, values: tuple[float, ...]) -> None:
    """Refuse what is not x y z qx qy qz qw of a rigid motion.

    Raises:
        ValueError: the text names the parameter.
    """
    norm = math.hypot(*values[3:]) if len(values) == len(NOT_GIVEN) else math.nan
    if not (all(map(math.isfinite, values)) and abs(norm - 1.0) <= UNIT_TOLERANCE):
        raise ValueError(
            f"{name} = {list(values)} must be seven numbers, x y z qx qy qz qw, with a quaternion of norm 1; where the "
            "two frames are the same it is [0, 0, 0, 0, 0, 0, 1]"
        )
