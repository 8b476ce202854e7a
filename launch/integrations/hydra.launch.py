"""Hydra (MIT-SPARK) on predicted depth and labels: a 3D scene graph from one colour camera.

``ros2 launch cinet_ros hydra.launch.py image:=/camera/image_raw camera_info:=/camera/camera_info``

The robot's pose comes from TF (odom_frame -> robot_frame). docs/integrations.md says what else it takes.
"""

from __future__ import annotations

from typing import Any

from launch import LaunchContext, LaunchDescription
from launch.actions import GroupAction, IncludeLaunchDescription
from launch.launch_description_sources import AnyLaunchDescriptionSource
from launch_ros.actions import SetRemap

from cinet_ros.integrations.starting import CONFIG, integration, share_of, value, wired
from cinet_ros.integrations.wiring import HYDRA, HYDRA_INPUT

ARGUMENTS = {
    "robot_frame": ("base_link", "frame of the robot's body; TF has it to the camera's frame_id"),
    "odom_frame": ("odom", "frame that the robot's pose is looked up in"),
    "map_frame": ("map", "frame of the scene graph"),
    "hydra_config": ("", "Hydra's own configuration; '': config/datasets/kimera_multi_rgbd.yaml of Hydra"),
    "label_space": (str(CONFIG / "hydra_label_space.yaml"), "what the class ids mean"),
    "label_colors": (str(CONFIG / "hydra_colors.csv"), "colours of the class ids"),
    "start_visualizer": ("true", "show the scene graph in RViz"),
}
INSTALL = "build it in your workspace, github.com/MIT-SPARK/Hydra"

# Hydra's configuration for another RGB-D camera with predicted labels: 10 cm voxels, maximum likelihood of the labels
BASE_CONFIG = "config/datasets/kimera_multi_rgbd.yaml"


def start(context: LaunchContext) -> list[Any]:
    """Hydra's own launch file with our topics, once the arguments are known."""
    hydra, hydra_ros = share_of("hydra", INSTALL), share_of("hydra_ros", INSTALL)
    given = {
        "dataset": "cinet",
        "labelspace": "cinet",
        "hydra_config_path": value(context, "hydra_config") or str(hydra / BASE_CONFIG),
        "input_config_path": str(CONFIG / "hydra_input.yaml"),
        "labelspace_path": value(context, "label_space"),
        "sensor_frame": HYDRA_INPUT,  # not read: the input takes the frame of the camera_info
        "extra_yaml": f"{{semantic_colormap_file: {value(context, 'label_colors')}}}",
        **{
            name: value(context, name)
            for name in ("robot_frame", "odom_frame", "map_frame", "use_sim_time", "start_visualizer")
        },
    }
    launch_file = AnyLaunchDescriptionSource(str(hydra_ros / "launch" / "hydra.launch.yaml"))
    return [
        GroupAction(
            [
                *(SetRemap(theirs, ours) for theirs, ours in wired(context, HYDRA)),
                IncludeLaunchDescription(launch_file, launch_arguments=list(given.items())),
            ]
        )
    ]


def generate_launch_description() -> LaunchDescription:
    """Arguments, and what they start."""
    return integration(__file__, ARGUMENTS, start)
