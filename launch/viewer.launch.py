"""The viewer: what perception node and mapper publish, in a browser tab or a file; beside whatever publishes it.

``ros2 launch cinet_ros viewer.launch.py odom:=/odometry/filtered camera_in_base:="0.2 0 0.3 -0.5 0.5 -0.5 0.5"``

All arguments: ``ros2 launch cinet_ros viewer.launch.py --show-args``. One that is left empty overrides nothing: then
the parameter file holds.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.launch_description_sources import load_python_launch_file_as_module
from launch_ros.actions import Node

SHARE = Path(get_package_share_directory("cinet_ros"))
perception = load_python_launch_file_as_module(str(SHARE / "launch" / "perception.launch.py"))

# argument -> (default, description)
ARGUMENTS = {
    "namespace": ("", "namespace of the node and of all relative topics: that of the perception node"),
    "params_file": (str(SHARE / "config" / "viewer.yaml"), "parameters of the viewer; none: no file"),
    "odom": ("", "topic of the odometry (pose_source:=odometry); '': odom"),
    "pose": ("", "topic of the poses (pose_source:=pose); '': pose"),
    "map_points": ("", "topic of the semantic map's points; '': map/points"),
    "pose_source": ("", "where poses come from: odometry, pose or none; '': as in params_file"),
    "camera_in_base": (
        "",
        "pose of the camera's optical frame in the frame of the poses, 'x y z qx qy qz qw'; '': as in params_file",
    ),
    "file": ("", "recording to write, such as walk.rrd; '': as in params_file, else none"),
    "serve": ("", "show it in a browser, true or false; '': as in params_file, else true"),
    "host": ("", "address of the page; '': as in params_file, else this machine only"),
    "use_sim_time": ("", "take the time from /clock, true or false; '': as in params_file"),
    "fastdds_profile": (
        str(SHARE / "config" / "fastdds.xml"),
        "Fast DDS profile with room for images, set for this node unless the environment names one already; none: "
        "leave the environment alone",
    ),
    "log_level": ("info", "of the node: debug, info, warn, error or fatal"),
}
TOPICS = {"odom": "odom", "pose": "pose", "map_points": "map/points"}


class Values(perception.Values):  # type: ignore[name-defined]
    """Arguments of this launch file, as perception.launch.py reads its own.

    Args:
        context: of the launch service.
    """

    def __init__(self, context: LaunchContext) -> None:
        given = {name: context.launch_configurations[name].strip() for name in ARGUMENTS}
        self._values = {
            name: "" if value == "none" and name != "pose_source" else value for name, value in given.items()
        }


def viewer(values: Values) -> Node:
    """The viewer.

    Raises:
        ValueError: an argument cannot be read.
    """
    parameters = perception.node_parameters(
        values.file("params_file"),
        **{name: values[name] for name in ("pose_source", "file", "host")},
        serve=values.flag("serve"),
        use_sim_time=values.flag("use_sim_time"),
    )
    if values["camera_in_base"]:
        parts = values["camera_in_base"].strip("[]").replace(",", " ").split()
        parameters.append({"camera_in_base": [float(part) for part in parts]})
    return Node(
        package="cinet_ros",
        executable="viewer_node",
        name="viewer",
        namespace=values["namespace"],
        parameters=parameters,
        remappings=[(ours, values[name]) for name, ours in TOPICS.items() if values[name]],
        ros_arguments=["--log-level", values["log_level"]],
        output="screen",
    )


def start(context: LaunchContext) -> list[Any]:
    """The viewer, once the arguments are known."""
    values = Values(context)
    return [*perception.fast_dds_environment(values), viewer(values)]


def generate_launch_description() -> LaunchDescription:
    """Arguments, and what they start."""
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, (default, description) in ARGUMENTS.items()
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=start)])
