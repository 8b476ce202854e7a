"""Perception node; with arguments for its inputs, and on demand a player in place of a camera, and RViz.

``ros2 launch cinet_ros perception.launch.py image:=/camera/image_raw camera_info:=/camera/camera_info``

All arguments: ``ros2 launch cinet_ros perception.launch.py --show-args``. One that is left empty overrides nothing:
then the parameter file holds.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ament_index_python.packages import PackageNotFoundError, get_package_prefix, get_package_share_directory
from launch import LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    LogInfo,
    OpaqueFunction,
    RegisterEventHandler,
    SetEnvironmentVariable,
)
from launch.event_handlers import OnProcessExit
from launch.events import matches_action
from launch.events.process import ShutdownProcess
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

SHARE = Path(get_package_share_directory("cinet_ros"))

# argument -> (default, description)
ARGUMENTS = {
    "image": ("", "topic of the camera's images (compressed ones: <image>/compressed); '': image"),
    "camera_info": ("", "topic of the camera's calibration; '': camera_info"),
    "namespace": ("", "namespace of the nodes and of all relative topics"),
    "params_file": (str(SHARE / "config" / "perception.yaml"), "parameters of the perception node; none: no file"),
    "weights": ("", "checkpoint (.safetensors), default (what ships) or random; '': as in params_file, else default"),
    "model_config": ("", "network when weights is random: lite, resnet50 or resnet101; '': as in params_file"),
    "device": ("", "auto, cpu, cuda or cuda:N; '': as in params_file"),
    "autostart": ("", "configure and activate at once, true or false; '': as in params_file"),
    "respawn": ("false", "start the perception node anew when it ends by itself, true or false; robots want true"),
    "use_sim_time": ("", "take the time from /clock, true or false; '': as in params_file"),
    "source": (
        "",
        "play this in place of a camera: synthetic, an image, folder, video or ROS 2 bag; '' or none: no player",
    ),
    "rate": ("", "frames per second of the player; '': as in player_params_file, else the source's own"),
    "loop": ("", "whether the player starts again at the end, true or false; '': as in player_params_file, else true"),
    "encoding": (
        "",
        "encoding of the player's images; '': as in player_params_file, without one rgb8, which a bag of compressed "
        "images is decoded to; source: as recorded",
    ),
    "player_params_file": ("", "parameters of the player, such as config/player.yaml"),
    "rviz": ("false", "show everything in RViz, true or false"),
    "rviz_frame": ("camera_optical_frame", "fixed frame of RViz: the frame_id of the camera's images"),
    "fastdds_profile": (
        str(SHARE / "config" / "fastdds.xml"),
        "Fast DDS profile with room for images, set for these nodes unless the environment names one already (another "
        "path always is); none: leave the environment alone. The camera driver needs it too",
    ),
    "log_level": ("info", "of the nodes: debug, info, warn, error or fatal"),
}

# RViz knows no relative topics: config/perception.rviz names these in the root namespace.
SHOWN_TOPICS = (
    "image",
    "depth_registered/image_rect",
    "semantic_color/image_raw",
    "semantic_overlay/image_raw",
    "points",
)

# Seconds before a node that has ended is started anew: one that cannot run shall not take the machine.
RESPAWN_DELAY = 1.0

# Distributions whose Fast DDS (2.x) reads the older variable; later ones warn where it is set.
FAST_DDS_2 = ("humble", "iron", "jazzy")
PROFILE_VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")


class Values:
    """Arguments as the user gave them; '' is "not given", and so is none, because `ros2 launch` takes no ``name:=``.

    Args:
        context: of the launch service.
    """

    def __init__(self, context: LaunchContext) -> None:
        given = {name: context.launch_configurations[name].strip() for name in ARGUMENTS}
        self._values = {name: "" if value == "none" else value for name, value in given.items()}

    def __getitem__(self, name: str) -> str:
        """Text of an argument, '' where it is not given."""
        return self._values[name]

    def flag(self, name: str) -> bool | None:
        """Truth of an argument, None where it is not given.

        Raises:
            ValueError: it is neither true nor false.
        """
        value = self._values[name]
        known = {"": None, "true": True, "1": True, "false": False, "0": False}
        if value.lower() not in known:
            raise ValueError(f"{name}:={value} is neither true nor false")
        return known[value.lower()]

    def number(self, name: str) -> float | None:
        """Value of a numeric argument, None where it is not given.

        Raises:
            ValueError: it is not a number.
        """
        value = self._values[name]
        try:
            return float(value) if value else None
        except ValueError:
            raise ValueError(f"{name}:={value} is not a number") from None

    def file(self, name: str) -> str | None:
        """Absolute path of an argument that names a file, None where it is not given.

        Raises:
            ValueError: there is no such file.
        """
        if not self._values[name]:
            return None
        path = Path(self._values[name]).expanduser().absolute()
        if not path.is_file():
            raise ValueError(f"{name}:={self._values[name]}: no such file; correct the path, or give {name}:=none")
        return str(path)


def node_parameters(file: str | None, **given: Any) -> list[Any]:
    """What a node takes as parameters: a file, and above it the arguments that were given."""
    # value_type keeps launch from reading a path such as `12` as a number
    arguments = {
        name: ParameterValue(value, value_type=type(value)) for name, value in given.items() if value not in (None, "")
    }
    return [item for item in (file, arguments) if item]


def fast_dds_environment(values: Values) -> list[SetEnvironmentVariable]:
    """Environment that makes Fast DDS read the profile; nothing where the user's own environment names one."""
    profile = values.file("fastdds_profile")
    if profile is None:
        return []
    shipped = values["fastdds_profile"] == ARGUMENTS["fastdds_profile"][0]
    if shipped and any(os.environ.get(name) for name in PROFILE_VARIABLES):
        return []
    old = os.environ.get("ROS_DISTRO") in FAST_DDS_2
    return [SetEnvironmentVariable(PROFILE_VARIABLES[0 if old else 1], profile)]


def input_remappings(values: Values) -> list[tuple[str, str]]:
    """Remappings of the input topics that were given; player and perception node share them."""
    image, camera_info = values["image"].rstrip("/"), values["camera_info"]
    pairs = [("image", image), ("image/compressed", f"{image}/compressed"), ("camera_info", camera_info)]
    return [(ours, theirs) for ours, theirs in pairs if theirs not in ("", "/compressed")]


def perception(values: Values) -> Node:
    """The perception node."""
    # name and namespace are both given, so that launch writes the arguments under the node's full name, which wins over
    # any entry of the parameter file
    return Node(
        package="cinet_ros",
        executable="perception_node",
        name="perception",
        namespace=values["namespace"],
        parameters=node_parameters(
            values.file("params_file"),
            weights=values["weights"],
            model_config=values["model_config"],
            device=values["device"],
            autostart=values.flag("autostart"),
            use_sim_time=values.flag("use_sim_time"),
        ),
        remappings=input_remappings(values),
        ros_arguments=["--log-level", values["log_level"]],
        output="screen",
        respawn=bool(values.flag("respawn")),
        respawn_delay=RESPAWN_DELAY,
    )


def player(values: Values) -> Node:
    """The player in place of a camera."""
    return Node(
        package="cinet_ros",
        executable="player_node",
        name="player",
        namespace=values["namespace"],
        parameters=node_parameters(
            values.file("player_params_file"),
            source=values["source"],
            rate=values.number("rate"),
            loop=values.flag("loop"),
            encoding=values["encoding"] or ("" if values["player_params_file"] else "rgb8"),
        ),
        remappings=input_remappings(values),
        ros_arguments=["--log-level", values["log_level"]],
        output="screen",
    )


def rviz(values: Values) -> Node | LogInfo:
    """RViz on this node's topics, or a line that says how to install it."""
    try:
        get_package_prefix("rviz2")
    except PackageNotFoundError:
        distribution = os.environ.get("ROS_DISTRO", "<distribution>")
        return LogInfo(msg=f"rviz:=true has no effect: rviz2 is not installed (apt install ros-{distribution}-rviz2)")
    namespace = values["namespace"].strip("/")
    shown = {f"/{topic}": f"/{namespace}/{topic}" if namespace else f"/{topic}" for topic in SHOWN_TOPICS}
    image = values["image"]
    if image:
        shown["/image"] = image if image.startswith("/") else f"/{namespace}/{image}".replace("//", "/")
    return Node(
        package="rviz2",
        executable="rviz2",
        name="rviz",
        arguments=["-d", str(SHARE / "config" / "perception.rviz"), "-f", values["rviz_frame"]],
        parameters=node_parameters(None, use_sim_time=values.flag("use_sim_time")),
        remappings=[(ours, theirs) for ours, theirs in shown.items() if ours != theirs],
    )


def start(context: LaunchContext) -> list[Any]:
    """Everything to be started, once the arguments are known."""
    values = Values(context)
    node = perception(values)
    actions = [*fast_dds_environment(values), node]
    if values["source"]:
        source = player(values)
        actions.append(source)
        if not values.flag("respawn"):
            ended = EmitEvent(event=ShutdownProcess(process_matcher=matches_action(source)))
            # a player whose node has refused to start would hide the error under its own output
            actions.append(RegisterEventHandler(OnProcessExit(target_action=node, on_exit=[ended])))
    if values.flag("rviz"):
        actions.append(rviz(values))
    return actions


def generate_launch_description() -> LaunchDescription:
    """Arguments, and what they start."""
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, (default, description) in ARGUMENTS.items()
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=start)])
