"""Perception node; with arguments for its inputs, and on demand a player in place of a camera, and RViz.

``ros2 launch cinet_ros perception.launch.py image:=/camera/image_raw camera_info:=/camera/camera_info``
``ros2 launch cinet_ros perception.launch.py cameras:='front rear' image:='/{camera}/image_raw'
camera_info:='/{camera}/camera_info'``

All arguments: ``ros2 launch cinet_ros perception.launch.py --show-args``. One that is left empty overrides nothing:
then the parameter file holds.
"""

from __future__ import annotations

from typing import Any

from launch import LaunchContext, LaunchDescription
from launch.actions import LogInfo
from launch_ros.actions import Node

from cinet_ros.launching.arguments import Values, described
from cinet_ros.launching.cameras import camera_names, full_topic, input_remappings, reads_compressed
from cinet_ros.launching.nodes import SHARE, ending_together, fast_dds_environment, node
from cinet_ros.launching.parameters import given_parameters, node_parameters
from cinet_ros.launching.perception import ANCHOR_TOPICS, ARGUMENTS, PARAMETERS
from cinet_ros.launching.rviz import perception_configuration, rviz
from cinet_ros.parameters import Settings

Remappings = dict[str, list[tuple[str, str]]]


def perception(values: Values, inputs: Remappings) -> Node:
    """The perception node."""
    given = given_parameters(values, Settings, PARAMETERS) | {"use_sim_time": values.flag("use_sim_time")}
    anchors = [(ours, values[argument]) for argument, ours in ANCHOR_TOPICS.items() if values[argument]]
    return node(
        values,
        "perception",
        node_parameters(values.file("params_file"), given),
        [*(pair for pairs in inputs.values() for pair in pairs), *anchors],
        respawn=bool(values.flag("respawn")),
    )


def players(values: Values, inputs: Remappings, compressed: bool) -> list[Node]:
    """A player in place of each camera; it publishes where that camera would."""
    encoding = values["encoding"]
    if not encoding and not values["player_params_file"]:
        encoding = "compressed" if compressed else "rgb8"
    given = {
        "source": values["source"],
        "rate": values.number("rate"),
        "loop": values.flag("loop"),
        "encoding": encoding,
    }
    started = []
    for camera, pairs in inputs.items():
        topics = (
            {topic: f"{camera}/{topic}" for topic in ("image", "image/compressed", "camera_info")} if camera else {}
        )
        topics |= {ours.removeprefix(f"{camera}/"): theirs for ours, theirs in pairs}
        parameters = node_parameters(values.file("player_params_file"), given)
        name = f"player_{camera.replace('/', '_')}" if camera else "player"
        started.append(node(values, "player", parameters, list(topics.items()), name=name))
    return started


def show(values: Values, inputs: Remappings, compressed: bool) -> Node | LogInfo:
    """RViz on the topics of every camera."""
    images = {}
    for camera, pairs in inputs.items():
        name = f"{camera}/image" if camera else "image"
        images[camera] = full_topic(dict(pairs).get(name, name), values["namespace"])
    template = SHARE / "config" / "perception.rviz"
    configuration = perception_configuration(template, values["namespace"], images, compressed, values["rviz_frame"])
    return rviz(configuration, ["-f", values["rviz_frame"]], values.flag("use_sim_time"))


def start(context: LaunchContext) -> list[Any]:
    """Everything to be started, once the arguments are known."""
    values = Values(context, ARGUMENTS)
    inputs = input_remappings(values, camera_names(values))
    compressed = reads_compressed(values)
    perceiving = perception(values, inputs)
    actions: list[Any] = [*fast_dds_environment(values), perceiving]
    everything, respawn = values.flag("end_with_player") is not False, bool(values.flag("respawn"))
    for playing in players(values, inputs, compressed) if values["source"] else []:
        actions += [playing, *ending_together(perceiving, playing, everything=everything, respawn=respawn)]
    if values.flag("rviz"):
        actions.append(show(values, inputs, compressed))
    return actions


def generate_launch_description() -> LaunchDescription:
    """Arguments, and what they start."""
    return described(__file__, ARGUMENTS, start)
