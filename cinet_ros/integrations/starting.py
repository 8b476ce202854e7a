"""What the launch files of the integrations share. Needs `launch`, as a ROS 2 distribution has it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from ament_index_python.packages import PackageNotFoundError, get_package_share_directory
from launch import LaunchContext
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.conditions import IfCondition
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration

from cinet_ros.integrations.wiring import Wiring, resolved

SHARE = Path(get_package_share_directory("cinet_ros"))
CONFIG = SHARE / "config" / "integrations"

# argument -> (default, description); those that perception.launch.py has too are passed on to it
PERCEPTION_ARGUMENTS = {
    "perception": ("true", "start the perception node as well; false: it runs already"),
    "image": ("", "topic of the camera's images; '': image"),
    "camera_info": ("", "topic of the camera's calibration; '': camera_info"),
    "namespace": ("", "namespace of the perception node"),
    "camera": ("", "name of the camera whose outputs are used, where the perception node has several"),
    "params_file": (str(SHARE / "config" / "perception.yaml"), "parameters of the perception node"),
    "weights": ("", "checkpoint, default or random; '': as in params_file"),
    "device": ("", "auto, cpu, cuda or cuda:N; '': as in params_file"),
    "source": ("", "play this in place of a camera (see perception.launch.py); '': no player"),
    "use_sim_time": ("false", "take the time from /clock"),
}
_OWN = ("perception", "camera")


def declared(own: Mapping[str, tuple[str, str]], **defaults: str) -> list[DeclareLaunchArgument]:
    """The arguments of the perception node, some with another default, and the launch file's own."""
    arguments = {**PERCEPTION_ARGUMENTS, **own}
    return [
        DeclareLaunchArgument(name, default_value=defaults.get(name, default), description=description)
        for name, (default, description) in arguments.items()
    ]


def perception() -> IncludeLaunchDescription:
    """The perception node, unless ``perception:=false``."""
    return IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(SHARE / "launch" / "perception.launch.py")),
        launch_arguments=[(name, LaunchConfiguration(name)) for name in PERCEPTION_ARGUMENTS if name not in _OWN],
        condition=IfCondition(LaunchConfiguration("perception")),
    )


def value(context: LaunchContext, name: str) -> str:
    """Text of an argument."""
    return str(context.launch_configurations[name])


def flag(context: LaunchContext, name: str) -> bool:
    """Truth of an argument.

    Raises:
        InvalidConditionExpressionError: it is neither true nor false.
    """
    return IfCondition(LaunchConfiguration(name)).evaluate(context)


def wired(context: LaunchContext, wiring: Wiring) -> list[tuple[str, str]]:
    """Remappings of a consumer's topics to our outputs, by the arguments `namespace` and `camera`."""
    return list(resolved(wiring, value(context, "namespace"), value(context, "camera")).items())


def share_of(package: str, install: str) -> Path:
    """Share folder of a consumer's package.

    Args:
        package: name.
        install: how to get it; ``<distribution>`` in it becomes this one's name.

    Raises:
        RuntimeError: it is not installed.
    """
    try:
        return Path(get_package_share_directory(package))
    except PackageNotFoundError:
        how = install.replace("<distribution>", os.environ.get("ROS_DISTRO", "<distribution>"))
        raise RuntimeError(f"{package} is not installed: {how}") from None
