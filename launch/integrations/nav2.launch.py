"""Nav2 whose costmap knows what the camera sees: a layer of obstacles, of voxels, or of classes.

``ros2 launch cinet_ros nav2.launch.py layer:=voxel image:=/camera/image_raw camera_info:=/camera/camera_info``

Starts nav2_bringup's navigation with your nav2_params.yaml and our layer in one of its costmaps. The robot's pose comes
from TF, and so does the camera's place on it. docs/integrations.md and docs/navigation.md say what else it takes.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import yaml
from launch import LaunchContext, LaunchDescription
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource

from cinet_ros.integrations.nav2_parameters import SOURCE, with_layer
from cinet_ros.integrations.starting import CONFIG, integration, share_of, value, wired
from cinet_ros.integrations.wiring import NAV2, NAV2_LAYERS

SEMANTIC = "semantic"
FILES = {SEMANTIC: "nav2_semantic_layer.yaml", **{layer: f"nav2_{layer}_layer.yaml" for layer in NAV2_LAYERS}}
ARGUMENTS = {
    "nav2_params_file": ("", "your nav2_params.yaml; '': nav2_bringup's own"),
    "layer": (SEMANTIC, f"what the costmap gets: {', '.join(FILES)} (docs/navigation.md compares them)"),
    "layer_file": ("", "section of the layer; '': the one that ships"),
    "semantic_layer_file": (str(CONFIG / FILES[SEMANTIC]), "of layer:=semantic: classes and their costs"),
    "camera_frame": (
        "",
        "frame_id of the camera's images, where lines of sight begin; '': as in the layer's file, camera_optical_frame",
    ),
    "costmap": ("local_costmap", "costmap that gets the layer: local_costmap or global_costmap"),
}
INSTALL = "sudo apt install ros-<distribution>-navigation2 ros-<distribution>-nav2-bringup"
PACKAGES = {
    SEMANTIC: (
        "semantic_segmentation_layer",
        "build it in your workspace, github.com/ros-navigation/semantic_segmentation_layer",
    ),
    "stvl": (
        "spatio_temporal_voxel_layer",
        "sudo apt install ros-<distribution>-spatio-temporal-voxel-layer, where it is released; else build it in your "
        "workspace, github.com/SteveMacenski/spatio_temporal_voxel_layer",
    ),
}
"""Of the layers that do not come with Nav2, and how to get them."""


def start(context: LaunchContext) -> list[Any]:
    """Nav2's navigation with the parameters of both, once the arguments are known."""
    layer = value(context, "layer")
    if layer not in FILES:
        raise ValueError(f"layer:={layer} is not one of {', '.join(FILES)}")
    bringup = share_of("nav2_bringup", INSTALL)
    if layer in PACKAGES:
        share_of(*PACKAGES[layer])
    file = Path(value(context, "nav2_params_file") or bringup / "params" / "nav2_params.yaml")
    section = yaml.safe_load(_layer_file(context, layer).read_text(encoding="utf-8"))
    merged = with_layer(
        yaml.safe_load(file.read_text(encoding="utf-8")),
        section,
        _sources(context, layer, section),
        value(context, "costmap"),
    )
    with tempfile.NamedTemporaryFile("w", prefix="nav2_params_", suffix=".yaml", delete=False) as written:
        yaml.safe_dump(merged, written)
    return [
        IncludeLaunchDescription(
            PythonLaunchDescriptionSource(str(bringup / "launch" / "navigation_launch.py")),
            launch_arguments=[("params_file", written.name), ("use_sim_time", value(context, "use_sim_time"))],
        )
    ]


def _layer_file(context: LaunchContext, layer: str) -> Path:
    shipped = value(context, "semantic_layer_file") if layer == SEMANTIC else CONFIG / FILES[layer]
    return Path(value(context, "layer_file") or shipped)


def _sources(context: LaunchContext, layer: str, section: Any) -> dict[str, dict[str, str]]:
    """What is set in each source of the layer: our topics, and the camera's frame where lines begin there."""
    if layer == SEMANTIC:
        return {SOURCE: dict(wired(context, NAV2))}
    sources = {source: {"topic": topic} for source, topic in wired(context, NAV2_LAYERS[layer])}
    frame = value(context, "camera_frame")
    (content,) = section.values()
    for source, given in sources.items():
        if frame and content.get(source, {}).get("sensor_frame"):
            given["sensor_frame"] = frame
    return sources


def generate_launch_description() -> LaunchDescription:
    """Arguments, and what they start."""
    return integration(__file__, ARGUMENTS, start)
