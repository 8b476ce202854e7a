"""RTAB-Map on predicted depth: visual odometry, loop closures and a map, from one colour camera.

``ros2 launch cinet_ros rtabmap.launch.py image:=/camera/image_raw camera_info:=/camera/camera_info``

docs/integrations.md says what else it takes.
"""

from __future__ import annotations

from typing import Any

from launch import LaunchContext, LaunchDescription
from launch_ros.actions import Node

from cinet_ros.integrations.starting import CONFIG, flag, integration, share_of, value, wired
from cinet_ros.integrations.wiring import RTABMAP

ARGUMENTS = {
    "base_frame": ("camera_link", "frame of the robot's body, which RTAB-Map gives the pose of"),
    "optical_frame": (
        "",
        "frame_id of the camera's images: base_frame looks along it, and the transform is published; '': TF has it",
    ),
    "rtabmap_params_file": (str(CONFIG / "rtabmap.yaml"), "parameters of RTAB-Map's nodes"),
    "odometry": ("true", "track the camera by rgbd_odometry; false: TF has odom_frame -> base_frame already"),
    "odom_frame": ("odom", "frame of the odometry"),
    "viz": ("false", "show RTAB-Map's own viewer"),
    "delete_db": ("false", "begin a new map, and lose the one in ~/.ros/rtabmap.db"),
}
INSTALL = "sudo apt install ros-<distribution>-rtabmap-ros"


def start(context: LaunchContext) -> list[Any]:
    """RTAB-Map's nodes, once the arguments are known."""
    for package in ("rtabmap_odom", "rtabmap_slam"):
        share_of(package, INSTALL)
    with_odometry = flag(context, "odometry")
    parameters = [
        value(context, "rtabmap_params_file"),
        {"frame_id": value(context, "base_frame"), "use_sim_time": flag(context, "use_sim_time")},
    ]
    # of an odometry that RTAB-Map does not know comes a transform, and nothing about its quality
    odometry = {"subscribe_odom_info": True} if with_odometry else {"odom_frame_id": value(context, "odom_frame")}
    common = {"namespace": "rtabmap", "remappings": wired(context, RTABMAP), "output": "screen"}
    fresh = ["--delete_db_on_start"] if flag(context, "delete_db") else []
    mapping = [*parameters, odometry]
    actions = [Node(package="rtabmap_slam", executable="rtabmap", parameters=mapping, arguments=fresh, **common)]
    if with_odometry:
        tracking = [*parameters, {"odom_frame_id": value(context, "odom_frame")}]
        actions.append(Node(package="rtabmap_odom", executable="rgbd_odometry", parameters=tracking, **common))
    if flag(context, "viz"):
        actions.append(Node(package="rtabmap_viz", executable="rtabmap_viz", parameters=mapping, **common))
    if value(context, "optical_frame"):
        actions.append(_optical_frame(value(context, "base_frame"), value(context, "optical_frame")))
    return actions


def _optical_frame(base: str, optical: str) -> Node:
    """The camera looks along the base's x axis (REP 103: z forward, x right in an optical frame)."""
    turn = ["--roll", "-1.5707963267948966", "--pitch", "0", "--yaw", "-1.5707963267948966"]
    return Node(
        package="tf2_ros",
        executable="static_transform_publisher",
        arguments=[*turn, "--frame-id", base, "--child-frame-id", optical],
    )


def generate_launch_description() -> LaunchDescription:
    """Arguments, and what they start."""
    return integration(__file__, ARGUMENTS, start)
