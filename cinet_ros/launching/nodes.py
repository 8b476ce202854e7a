"""Actions that start our nodes: names, namespace, log level, topics, and the profile of Fast DDS."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext
from launch.actions import EmitEvent, LogInfo, RegisterEventHandler, SetEnvironmentVariable, Shutdown, TimerAction
from launch.event_handlers import OnProcessExit
from launch.events import matches_action
from launch.events.process import ProcessExited, ShutdownProcess
from launch_ros.actions import Node

from cinet_ros.fast_dds import PROFILE_VARIABLES, profile_name, profile_variable
from cinet_ros.launching.arguments import PACKAGE, Table, Values

SHARE = Path(get_package_share_directory(PACKAGE))
FAST_DDS_PROFILE = str(SHARE / "config" / profile_name(os.environ))

LOG_LEVELS = ("debug", "info", "warn", "error", "fatal")

COMMON_ARGUMENTS: Table = {
    "namespace": ("", "namespace of the nodes and of all relative topics"),
    "use_sim_time": ("", "take the time from /clock, true or false; '': as in the parameter file"),
    "fastdds_profile": (
        FAST_DDS_PROFILE,
        "Fast DDS profile with room for images, set for these nodes unless the environment names one already (another "
        "path always is); none: leave the environment alone. The camera driver needs it too",
    ),
    "log_level": ("info", f"of the nodes: {', '.join(LOG_LEVELS)}"),
}
"""Of every launch file that starts nodes of ours."""

# Seconds before a node that has ended is started anew: one that cannot run shall not take the machine.
RESPAWN_DELAY = 1.0

# Seconds from the end of a recording to the end of the launch: the last frames are still on their way.
LAST_FRAMES = 3.0


def node(
    values: Values,
    kind: str,
    parameters: list[Any],
    remappings: Sequence[tuple[str, str]],
    *,
    name: str = "",
    respawn: bool = False,
) -> Node:
    """One of our nodes.

    Args:
        values: of the arguments `namespace` and `log_level`, at least.
        kind: `perception`, `player`, `mapping` or `viewer`.
        parameters: as `node_parameters` makes them.
        remappings: of its topics.
        name: of the node; '': as its kind.
        respawn: start it anew when it ends by itself.

    Raises:
        ValueError: there is no such log level.
    """
    # name and namespace are both given, so that launch writes the arguments under the node's full name, which wins over
    # any entry of the parameter file
    return Node(
        package=PACKAGE,
        executable=f"{kind}_node",
        name=name or kind,
        namespace=values["namespace"],
        parameters=parameters,
        remappings=list(remappings),
        ros_arguments=["--log-level", values.choice("log_level", LOG_LEVELS)],
        output="screen",
        respawn=respawn,
        respawn_delay=RESPAWN_DELAY,
    )


def fast_dds_environment(values: Values) -> list[SetEnvironmentVariable]:
    """Environment that makes Fast DDS read the profile; nothing where the user's own environment names one."""
    profile = values.file("fastdds_profile")
    if profile is None:
        return []
    shipped = values.is_default("fastdds_profile")
    if shipped and any(os.environ.get(name) for name in PROFILE_VARIABLES):
        return []
    return [SetEnvironmentVariable(profile_variable(os.environ.get("ROS_DISTRO", "")), profile)]


def ending_together(perception: Node, player: Node, *, everything: bool, respawn: bool) -> list[RegisterEventHandler]:
    """A player that dies ends the launch with an error; one that has played everything ends it in order.

    And a player whose node has ended ends as well: it would hide the node's error under its own output.

    Args:
        perception: the node that the player is for.
        player: the action.
        everything: whether the whole launch ends with a recording, or with a node that refuses to start. A player that
            dies ends it in any case.
        respawn: whether launch starts the node anew: then the player waits for it.
    """
    ended: list[int] = []

    def on_perception(event: ProcessExited, context: LaunchContext) -> list[Any] | None:
        if context.is_shutdown:
            return None
        ended.append(event.returncode)
        if everything and event.returncode != 0:
            raise RuntimeError(f"the perception node has ended with status {event.returncode}; its lines above say why")
        return [EmitEvent(event=ShutdownProcess(process_matcher=matches_action(player)))]

    def on_player(event: ProcessExited, context: LaunchContext) -> list[Any] | None:
        if context.is_shutdown or ended:
            return None
        if event.returncode != 0:
            # launch says the error of a handler, ends what runs, and returns 1
            raise RuntimeError(
                f"the player has ended with status {event.returncode}: nothing is played any more. Its own lines above "
                "say why; source:= names what it plays"
            )
        if not everything:
            return [LogInfo(msg="the player has played everything; the nodes go on until Ctrl-C")]
        end = Shutdown(reason="the player has played everything")
        return [
            LogInfo(msg=f"the player has played everything: the end in {LAST_FRAMES:g} s"),
            TimerAction(period=LAST_FRAMES, actions=[end]),
        ]

    handlers = [OnProcessExit(target_action=player, on_exit=on_player)]
    if not respawn:
        handlers.append(OnProcessExit(target_action=perception, on_exit=on_perception))
    return [RegisterEventHandler(handler) for handler in handlers]
