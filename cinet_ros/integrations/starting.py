"""What the launch files of the integrations share. Needs `launch`, as a ROS 2 distribution has it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ament_index_python.packages import PackageNotFoundError, get_package_share_directory
from launch import LaunchContext, LaunchDescription
from launch.actions import GroupAction, IncludeLaunchDescription, UnsetLaunchConfiguration
from launch.conditions import IfCondition
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration

from cinet_ros.integrations.wiring import Wiring, resolved
from cinet_ros.launching import perception
from cinet_ros.launching.arguments import Table, Values, described
from cinet_ros.launching.cameras import camera_names
from cinet_ros.launching.nodes import SHARE, fast_dds_environment

CONFIG = SHARE / "config" / "integrations"

# argument -> (default, description), on top and in place of those of perception.launch.py, which are passed on to it
ARGUMENTS: Table = {
    "perception": ("true", "start the perception node as well; false: it runs already"),
    "camera": ("", "name of the camera whose outputs are used, where the perception node has several; '': the first"),
    "use_sim_time": ("false", "take the time from /clock"),
}


def integration(
    launch_file: str, own: Table, start: Callable[[LaunchContext], list[Any]], params_file: str = ""
) -> LaunchDescription:
    """The perception node, unless ``perception:=false``, and a consumer of its outputs.

    Args:
        launch_file: ``__file__`` of the launch file.
        own: its own arguments, on top of those of perception.launch.py.
        start: makes the actions of the consumer.
        params_file: default for the perception node's parameters; '': as everywhere.
    """
    table = {**perception.ARGUMENTS, **ARGUMENTS, **own}
    if params_file:
        table["params_file"] = (params_file, table["params_file"][1])

    def start_both(context: LaunchContext) -> list[Any]:
        consumer = start(context)  # first: what it lacks is said before anything runs
        return [*fast_dds_environment(Values(context, table)), _perception(), _alone(consumer, table)]

    return described(launch_file, table, start_both)


def _perception() -> GroupAction:
    """The perception node, unless ``perception:=false``; what it declares stays in its group."""
    include = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(perception.LAUNCH_FILE)),
        launch_arguments=[(name, LaunchConfiguration(name)) for name in perception.ARGUMENTS],
        condition=IfCondition(LaunchConfiguration("perception")),
    )
    return GroupAction([include])


def _alone(consumer: list[Any], table: Table) -> GroupAction:
    """Launch files that the consumer includes do not see our arguments: `autostart` and `namespace` are Nav2's, too."""
    return GroupAction([*(UnsetLaunchConfiguration(name) for name in table), *consumer])


def value(context: LaunchContext, name: str) -> str:
    """Text of an argument."""
    return str(context.launch_configurations[name])


def flag(context: LaunchContext, name: str) -> bool:
    """Truth of an argument that has a default.

    Raises:
        ValueError: it is neither true nor false.
    """
    return bool(Values(context, {name: ("", "")}).flag(name))


def wired(context: LaunchContext, wiring: Wiring) -> list[tuple[str, str]]:
    """Remappings of a consumer's topics to our outputs, by the arguments `namespace`, `camera` and `cameras`."""
    values = Values(context, {**perception.ARGUMENTS, "camera": ("", "")})
    camera = values["camera"] or camera_names(values)[0]
    return list(resolved(wiring, values["namespace"], camera).items())


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
