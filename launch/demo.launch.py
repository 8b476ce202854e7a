"""The whole chain without a camera: player, perception node, and on demand RViz.

``ros2 launch cinet_ros demo.launch.py rviz:=true``

Every argument of perception.launch.py is understood; these have other defaults.
"""

from __future__ import annotations

from typing import Any

from launch import LaunchContext, LaunchDescription
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration

from cinet_core.model.config import CONFIG_NAMES, DEFAULT_CONFIG
from cinet_ros.launching import perception
from cinet_ros.launching.arguments import described

# argument -> (default, description), in place of those of perception.launch.py
ARGUMENTS = {
    "source": ("synthetic", "what the player shows: synthetic, an image, folder, video or ROS 2 bag"),
    "weights": ("default", "checkpoint (.safetensors); default: what ships; random: shows the plumbing only"),
    "model_config": (DEFAULT_CONFIG, f"network when weights is random: {', '.join(CONFIG_NAMES)}"),
}


def start(context: LaunchContext) -> list[Any]:
    """perception.launch.py with a player."""
    source = PythonLaunchDescriptionSource(str(perception.LAUNCH_FILE))
    arguments = [(name, LaunchConfiguration(name)) for name in perception.ARGUMENTS]
    return [IncludeLaunchDescription(source, launch_arguments=arguments)]


def generate_launch_description() -> LaunchDescription:
    """perception.launch.py with other defaults."""
    return described(__file__, {**perception.ARGUMENTS, **ARGUMENTS}, start)
