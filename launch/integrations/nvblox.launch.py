"""nvblox (Isaac ROS) on predicted depth, with people kept out of the static map. Needs an NVIDIA GPU.

``ros2 launch cinet_ros nvblox.launch.py image:=/camera/image_raw camera_info:=/camera/camera_info``

The robot's pose comes from TF (global_frame -> base_frame). docs/integrations.md says what else it takes.
"""

from __future__ import annotations

from typing import Any

from launch import LaunchContext, LaunchDescription
from launch_ros.actions import Node

from cinet_ros.integrations.starting import CONFIG, flag, integration, share_of, value, wired
from cinet_ros.integrations.wiring import NVBLOX

ARGUMENTS = {
    "global_frame": ("odom", "frame of the map"),
    "base_frame": ("base_link", "frame of the robot's body: what is far from it is cleared"),
    "nvblox_params_file": (str(CONFIG / "nvblox.yaml"), "parameters of nvblox"),
}
INSTALL = "sudo apt install ros-<distribution>-isaac-ros-nvblox (needs NVIDIA's Isaac apt repository)"


def start(context: LaunchContext) -> list[Any]:
    """The node of nvblox, once the arguments are known."""
    share_of("nvblox_ros", INSTALL)
    frames = {"global_frame": value(context, "global_frame"), "map_clearing_frame_id": value(context, "base_frame")}
    clock = {"use_sim_time": flag(context, "use_sim_time")}
    return [
        Node(
            package="nvblox_ros",
            executable="nvblox_node",
            name="nvblox_node",
            parameters=[value(context, "nvblox_params_file"), {**frames, **clock}],
            remappings=wired(context, NVBLOX),
            output="screen",
        )
    ]


def generate_launch_description() -> LaunchDescription:
    """Arguments, and what they start."""
    return integration(__file__, ARGUMENTS, start, params_file=str(CONFIG / "nvblox_perception.yaml"))
