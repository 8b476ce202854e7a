"""Parameters of the viewer: type, default, range and meaning of each, checked together."""

from __future__ import annotations

import math
from dataclasses import dataclass

from cinet_core.parameters import check, parameter
from cinet_core.viewer.recording import CLOUD_POINTS
from cinet_core.viewer.server import DATA_PORT, LOCALHOST, PORT
from cinet_ros.parameter_fields import threads_parameter

# camera_in_base where it is not given: no rotation is all zeros.
NOT_GIVEN = (0.0,) * 7
# Quaternions that were rounded to three digits are still rotations.
UNIT_TOLERANCE = 1e-2


@dataclass(frozen=True)
class ViewerSettings:
    """Values of the viewer's parameters, all fixed at start; the defaults are the node's.

    Raises:
        ValueError: a value is of the wrong type, out of its range, or at odds with another; the text names the
            parameter, the value, the limit and the remedy.
    """

    serve: bool = parameter(True, "show everything in a browser: a page at http://host:port")
    host: str = parameter(
        LOCALHOST,
        "address to serve at; any but 127.0.0.1, such as 192.168.0.5, lets everybody in that network see it, without a "
        "password",
    )
    port: int = parameter(PORT, "port of the page", limits=(1, 65535))
    data_port: int = parameter(DATA_PORT, "port of the data behind the page", limits=(1, 65535))
    memory_limit: int = parameter(
        1024, "megabytes of the latest data that are kept for a page opened later", limits=(16, 1_000_000)
    )
    file: str = parameter("", "recording to write, such as walk.rrd; empty: none. An existing file is replaced")
    max_file_size: int = parameter(
        4096, "megabytes after which the file is closed; the page goes on", limits=(1, 10_000_000)
    )
    threads: int = threads_parameter("one")
    max_rate: float = parameter(5.0, "frames shown a second at most", limits=(0.1, 100))
    cloud_points: int = parameter(CLOUD_POINTS, "points of a frame's cloud at most", limits=(100, 1_000_000))
    cloud_color: str = parameter(
        "semantic",
        "of a frame's cloud: of the classes, or the camera's, which tells it from a map around it",
        choices=("semantic", "camera"),
    )
    map_points: int = parameter(
        500_000, "points of the map at most; of a larger one every n-th", limits=(100, 10_000_000)
    )
    map_point_radius: float = parameter(
        0.01, "metres; half the map's voxels close the gaps between its points", limits=(0.001, 1.0)
    )
    input_reliability: str = parameter(
        "best_effort",
        "of the images: best_effort never holds the perception node up; reliable loses fewer frames",
        choices=("best_effort", "reliable"),
    )
    pose_source: str = parameter(
        "odometry",
        "odometry reads nav_msgs/Odometry from `odom`, pose reads geometry_msgs/PoseStamped from `pose`; none: the "
        "world is the camera's",
        choices=("odometry", "pose", "none"),
    )
    camera_in_base: tuple[float, ...] = parameter(
        NOT_GIVEN,
        "pose of the optical frame (x right, y down, z forward) in the frame that the poses are of: x y z qx qy qz qw; "
        "where poses are the optical frame's own: 0 0 0 0 0 0 1; all 0: not known, and poses are not shown",
    )

    def __post_init__(self) -> None:
        """Check every value, then those that depend on each other."""
        check(self)
        if not self.serve and not self.file:
            raise ValueError("serve is false and file is empty: nothing would be shown; set one of them")
        if self.serve and self.port == self.data_port:
            raise ValueError(f"port and data_port are both {self.port}: the page and its data need one each")
        values = self.camera_in_base
        if len(values) != len(NOT_GIVEN) or not all(map(math.isfinite, values)):
            raise ValueError(f"camera_in_base = {list(values)} must be seven finite numbers: x y z qx qy qz qw")
        norm = math.sqrt(sum(value * value for value in values[3:]))
        if values != NOT_GIVEN and abs(norm - 1.0) > UNIT_TOLERANCE:
            raise ValueError(
                f"camera_in_base has a quaternion of length {norm:.3g}: a rotation's is 1; the order is qx qy qz qw"
            )
