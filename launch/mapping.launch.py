"""Semantic mapper, and on demand RViz; with the perception node, whose every argument is understood too.

``ros2 launch cinet_ros mapping.launch.py image:=/camera/image_raw camera_info:=/camera/camera_info odom:=/odom
camera_in_base:="0.2 0 0.3 -0.5 0.5 -0.5 0.5"``

All arguments: ``ros2 launch cinet_ros mapping.launch.py --show-args``. One that is left empty overrides nothing: then
the parameter file holds.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, LogInfo, OpaqueFunction
from launch.launch_description_sources import PythonLaunchDescriptionSource, load_python_launch_file_as_module
from launch_ros.actions import Node

SHARE = Path(get_package_share_directory("cinet_ros"))
PERCEPTION_FILE = SHARE / "launch" / "perception.launch.py"
perception = load_python_launch_file_as_module(str(PERCEPTION_FILE))

# argument -> (default, description); those of perception.launch.py come on top
ARGUMENTS = {
    "perception": ("true", "start the perception node too, true or false; false: its topics come from elsewhere"),
    "odom": ("", "topic of the odometry (pose_source:=odometry); '': odom"),
    "pose": ("", "topic of the poses (pose_source:=pose); '': pose"),
    "pose_source": ("", "where poses come from: odometry, pose or tf; '': as in mapping_params_file"),
    "camera_in_base": (
        "",
        "pose of the camera's optical frame in the robot's base, 'x y z qx qy qz qw'; '': as in mapping_params_file, "
        "else from TF",
    ),
    "map_frame": ("", "frame of the map; '': as in mapping_params_file, else that of the first pose"),
    "gravity": ("", "where up is: z_up or fit_floor; '': as in mapping_params_file"),
    "load_path": ("", "map to begin with; '': as in mapping_params_file"),
    "save_path": ("", "where ~/save writes; '': as in mapping_params_file"),
    "mapping_params_file": (str(SHARE / "config" / "mapping.yaml"), "parameters of the mapper; none: no file"),
}

# RViz knows no relative topics: config/mapping.rviz names these in the root namespace.
SHOWN_TOPICS = ("map/points", "map/occupancy", "map/markers")


class Values(perception.Values):  # type: ignore[name-defined]
    """Arguments of both launch files, as perception.launch.py reads its own.

    Args:
        context: of the launch service.
    """

    def __init__(self, context: LaunchContext) -> None:
        super().__init__(context)
        given = {name: context.launch_configurations[name].strip() for name in ARGUMENTS}
        self._values |= {name: "" if value == "none" else value for name, value in given.items()}

    def numbers(self, name: str) -> list[float] | None:
        """Numbers of an argument, None where it is not given.

        Raises:
            ValueError: one of them is no number.
        """
        try:
            return [float(part) for part in self[name].strip("[]").replace(",", " ").split()] or None
        except ValueError:
            raise ValueError(f"{name}:={self[name]} holds something that is not a number") from None


def mapping(values: Values) -> Node:
    """The mapper."""
    parameters = perception.node_parameters(
        values.file("mapping_params_file"),
        **{name: values[name] for name in ("pose_source", "map_frame", "gravity", "load_path", "save_path")},
        autostart=values.flag("autostart"),
        use_sim_time=values.flag("use_sim_time"),
    )
    camera_in_base = values.numbers("camera_in_base")
    if camera_in_base is not None:
        parameters.append({"camera_in_base": camera_in_base})
    return Node(
        package="cinet_ros",
        executable="mapping_node",
        name="mapping",
        namespace=values["namespace"],
        parameters=parameters,
        remappings=[(name, values[name]) for name in ("odom", "pose") if values[name]],
        ros_arguments=["--log-level", values["log_level"]],
        output="screen",
        respawn=bool(values.flag("respawn")),
        respawn_delay=perception.RESPAWN_DELAY,
    )


def rviz(values: Values) -> Node | LogInfo:
    """RViz on the map, or a line that says how to install it."""
    if isinstance(refusal := perception.rviz(values), LogInfo):
        return refusal
    namespace = values["namespace"].strip("/")
    shown = [(f"/{topic}", f"/{namespace}/{topic}") for topic in SHOWN_TOPICS] if namespace else []
    frame = ["-f", values["map_frame"]] if values["map_frame"] else []
    return Node(
        package="rviz2",
        executable="rviz2",
        name="rviz",
        arguments=["-d", str(SHARE / "config" / "mapping.rviz"), *frame],
        parameters=perception.node_parameters(None, use_sim_time=values.flag("use_sim_time")),
        remappings=shown,
    )


def start(context: LaunchContext) -> list[Any]:
    """Everything to be started, once the arguments are known."""
    values = Values(context)
    actions = [*perception.fast_dds_environment(values), mapping(values)]
    if values.flag("rviz"):
        actions.append(rviz(values))
    if values.flag("perception"):
        source = PythonLaunchDescriptionSource(str(PERCEPTION_FILE))
        actions.append(IncludeLaunchDescription(source, launch_arguments=[("rviz", "false")]))
    return actions


def generate_launch_description() -> LaunchDescription:
    """Arguments, and what they start."""
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, (default, description) in (ARGUMENTS | perception.ARGUMENTS).items()
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=start)])
