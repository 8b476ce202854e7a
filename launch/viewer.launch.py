"""The viewer: what perception node and mapper publish, in a browser tab or a file; beside whatever publishes it.

``ros2 launch cinet_ros viewer.launch.py odom:=/odometry/filtered camera_in_base:="0.2 0 0.3 -0.5 0.5 -0.5 0.5"``

All arguments: ``ros2 launch cinet_ros viewer.launch.py --show-args``. One that is left empty overrides nothing: then
the parameter file holds.
"""

from __future__ import annotations

from typing import Any

from launch import LaunchContext, LaunchDescription

from cinet_ros.launching.arguments import Values, described
from cinet_ros.launching.nodes import COMMON_ARGUMENTS, SHARE, fast_dds_environment, node
from cinet_ros.launching.parameters import node_parameters

TOPICS = {"odom": "odom", "pose": "pose", "map_points": "map/points"}

# argument -> (default, description); written out, because the viewer's settings import what `ros2 launch` may not have
ARGUMENTS = {
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
    "port": ("", "port of the page; '': as in params_file, else 9090"),
    **COMMON_ARGUMENTS,
}


def start(context: LaunchContext) -> list[Any]:
    """The viewer, once the arguments are known."""
    values = Values(context, ARGUMENTS, literal=("pose_source",))
    given = {
        **{name: values[name] for name in ("pose_source", "file", "host")},
        "camera_in_base": values.numbers("camera_in_base"),
        "serve": values.flag("serve"),
        "port": values.integer("port"),
        "use_sim_time": values.flag("use_sim_time"),
    }
    parameters = node_parameters(values.file("params_file"), given)
    remappings = [(ours, values[name]) for name, ours in TOPICS.items() if values[name]]
    return [*fast_dds_environment(values), node(values, "viewer", parameters, remappings)]


def generate_launch_description() -> LaunchDescription:
    """Arguments, and what they start."""
    return described(__file__, ARGUMENTS, start)
