"""Semantic mapper, and on demand RViz; with the perception node, whose every argument is understood too.

``ros2 launch cinet_ros mapping.launch.py image:=/camera/image_raw camera_info:=/camera/camera_info odom:=/odom
camera_in_base:="0.2 0 0.3 -0.5 0.5 -0.5 0.5"``

All arguments: ``ros2 launch cinet_ros mapping.launch.py --show-args``. One that is left empty overrides nothing: then
the parameter file holds.
"""

from __future__ import annotations

from typing import Any

from launch import LaunchContext, LaunchDescription
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from cinet_ros.launching import perception
from cinet_ros.launching.arguments import Values, described
from cinet_ros.launching.cameras import camera_names
from cinet_ros.launching.nodes import SHARE, fast_dds_environment, node
from cinet_ros.launching.parameters import given_parameters, in_file, node_parameters, parameter_arguments
from cinet_ros.launching.rviz import in_namespace, rviz
from cinet_ros.mapping.parameters import MappingSettings

PARAMETERS = ("pose_source", "camera_in_base", "map_frame", "gravity", "camera", "load_path", "save_path")

# argument -> (default, description), on top and in place of those of perception.launch.py
ARGUMENTS = {
    "perception": ("true", "start the perception node too, true or false; false: its topics come from elsewhere"),
    "odom": ("", "topic of the odometry (pose_source:=odometry); '': odom"),
    "pose": ("", "topic of the poses (pose_source:=pose); '': pose"),
    "mapping_params_file": (str(SHARE / "config" / "mapping.yaml"), "parameters of the mapper; none: no file"),
    **parameter_arguments(MappingSettings, PARAMETERS, "mapping_params_file"),
    "end_with_player": ("false", "end everything, and the map, when the player has played all of it, true or false"),
}
ALL_ARGUMENTS = {**perception.ARGUMENTS, **ARGUMENTS}


def mapping(values: Values) -> Node:
    """The mapper."""
    given = given_parameters(values, MappingSettings, PARAMETERS)
    given |= {"autostart": values.flag("autostart"), "use_sim_time": values.flag("use_sim_time")}
    if not values["camera"] and not in_file(values, "mapping_params_file", "mapping", "camera"):
        given["camera"] = camera_names(values)[0]
    return node(
        values,
        "mapping",
        node_parameters(values.file("mapping_params_file"), given),
        [(name, values[name]) for name in ("odom", "pose") if values[name]],
        respawn=bool(values.flag("respawn")),
    )


def start(context: LaunchContext) -> list[Any]:
    """Everything to be started, once the arguments are known."""
    values = Values(context, ALL_ARGUMENTS)
    actions: list[Any] = [*fast_dds_environment(values), mapping(values)]
    if values.flag("rviz"):
        configuration = in_namespace(SHARE / "config" / "mapping.rviz", values["namespace"])
        frame = ["-f", values["map_frame"]] if values["map_frame"] else []
        actions.append(rviz(configuration, frame, values.flag("use_sim_time")))
    if values.flag("perception"):
        source = PythonLaunchDescriptionSource(str(perception.LAUNCH_FILE))
        arguments = {name: LaunchConfiguration(name) for name in perception.ARGUMENTS} | {"rviz": "false"}
        actions.append(IncludeLaunchDescription(source, launch_arguments=list(arguments.items())))
    return actions


def generate_launch_description() -> LaunchDescription:
    """Arguments, and what they start."""
    return described(__file__, ALL_ARGUMENTS, start)
