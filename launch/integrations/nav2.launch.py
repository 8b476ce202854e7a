"""Nav2 whose costmap knows floor, obstacles and people (semantic_segmentation_layer).

``ros2 launch cinet_ros nav2.launch.py image:=/camera/image_raw camera_info:=/camera/camera_info``

Starts nav2_bringup's navigation with your nav2_params.yaml and our layer in one of its costmaps. The robot's pose comes
from TF. docs/integrations.md says what else it takes.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import yaml
from launch import LaunchContext, LaunchDescription
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource

from cinet_ros.integrations.nav2_parameters import with_semantic_layer
from cinet_ros.integrations.starting import CONFIG, integration, share_of, value, wired
from cinet_ros.integrations.wiring import NAV2

ARGUMENTS = {
    "nav2_params_file": ("", "your nav2_params.yaml; '': nav2_bringup's own"),
    "semantic_layer_file": (str(CONFIG / "nav2_semantic_layer.yaml"), "section of the layer: classes and their costs"),
    "costmap": ("local_costmap", "costmap that gets the layer: local_costmap or global_costmap"),
}
INSTALL = "sudo apt install ros-<distribution>-navigation2 ros-<distribution>-nav2-bringup"
LAYER_INSTALL = "build it in your workspace, github.com/ros-navigation/semantic_segmentation_layer"


def start(context: LaunchContext) -> list[Any]:
    """Nav2's navigation with the parameters of both, once the arguments are known."""
    bringup = share_of("nav2_bringup", INSTALL)
    share_of("semantic_segmentation_layer", LAYER_INSTALL)
    file = Path(value(context, "nav2_params_file") or bringup / "params" / "nav2_params.yaml")
    merged = with_semantic_layer(
        yaml.safe_load(file.read_text(encoding="utf-8")),
        yaml.safe_load(Path(value(context, "semantic_layer_file")).read_text(encoding="utf-8")),
        dict(wired(context, NAV2)),
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


def generate_launch_description() -> LaunchDescription:
    """Arguments, and what they start."""
    return integration(__file__, ARGUMENTS, start)
