"""RViz on our topics: the shipped configuration, with a display for each camera and each topic's real name."""

from __future__ import annotations

import copy
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from ament_index_python.packages import PackageNotFoundError, get_package_prefix
from launch.actions import LogInfo
from launch_ros.actions import Node

from cinet_ros.launching.cameras import COMPRESSED, full_topic
from cinet_ros.launching.parameters import node_parameters

IMAGE_TOPIC = "/image"
"""The input in config/perception.rviz."""


def rviz(configuration: Path, arguments: list[str], use_sim_time: bool | None) -> Node | LogInfo:
    """RViz, or a line that says how to install it.

    Args:
        configuration: .rviz file.
        arguments: more of rviz2.
        use_sim_time: the parameter; None: not given.
    """
    try:
        get_package_prefix("rviz2")
    except PackageNotFoundError:
        distribution = os.environ.get("ROS_DISTRO", "<distribution>")
        return LogInfo(msg=f"rviz:=true has no effect: rviz2 is not installed (apt install ros-{distribution}-rviz2)")
    return Node(
        package="rviz2",
        executable="rviz2",
        name="rviz",
        arguments=["-d", str(configuration), *arguments],
        parameters=node_parameters(None, {"use_sim_time": use_sim_time}),
    )


def perception_configuration(
    template: Path, namespace: str, images: Mapping[str, str], compressed: bool, frame: str
) -> Path:
    """Configuration that shows every camera of the perception node: the template itself where that fits already.

    Args:
        template: config/perception.rviz, which shows one camera in the root namespace.
        namespace: of the perception node.
        images: image topic of each camera, as the perception node resolves it.
        compressed: whether the input is ``<image>/compressed``, which RViz's displays tell by the name.
        frame: fixed frame.
    """
    shown = {camera: f"{topic}{COMPRESSED}" if compressed else topic for camera, topic in images.items()}

    def name_of(topic: str, camera: str) -> str:
        return shown[camera] if topic == IMAGE_TOPIC else full_topic(f"{camera}{topic}".lstrip("/"), namespace)

    content = yaml.safe_load(template.read_text(encoding="utf-8"))
    manager = content["Visualization Manager"]
    before = copy.deepcopy(manager)
    displays = [display for display in manager["Displays"] if "Topic" not in display]
    for camera in images:
        for display in manager["Displays"]:
            if "Topic" in display:
                displays.append(_of_camera(display, camera, name_of(display["Topic"]["Value"], camera)))
    manager["Displays"] = displays
    manager["Global Options"]["Fixed Frame"] = frame
    return template if manager == before else written(content, "perception")


def in_namespace(template: Path, namespace: str) -> Path:
    """Configuration whose topics are those of nodes in a namespace: the template itself for the root."""
    if not namespace.strip("/"):
        return template
    content = yaml.safe_load(template.read_text(encoding="utf-8"))
    for display in content["Visualization Manager"]["Displays"]:
        if "Topic" in display:
            display["Topic"]["Value"] = full_topic(display["Topic"]["Value"].lstrip("/"), namespace)
    return written(content, template.stem)


def written(content: Mapping[str, Any], name: str) -> Path:
    """A configuration in a temporary file of its own."""
    with tempfile.NamedTemporaryFile(
        "w", prefix=f"cinet_{name}_", suffix=".rviz", delete=False, encoding="utf-8"
    ) as file:
        yaml.safe_dump(dict(content), file, sort_keys=False)
    return Path(file.name)


def _of_camera(display: Mapping[str, Any], camera: str, topic: str) -> dict[str, Any]:
    """A copy of a display for one camera. Windows are told apart by their names."""
    shown = copy.deepcopy(dict(display))
    shown["Topic"]["Value"] = topic
    if camera:
        shown["Name"] = f"{shown['Name']} {camera}"
    return shown
