"""The whole chain without a camera: player, perception node, and on demand RViz.

``ros2 launch cinet_ros demo.launch.py rviz:=true``

Every argument of perception.launch.py is understood; these have other defaults.
"""

from __future__ import annotations

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration

# argument -> (default, description)
ARGUMENTS = {
    "source": ("synthetic", "what the player shows: synthetic, an image, folder, video or ROS 2 bag"),
    "weights": ("default", "checkpoint (.safetensors); default: what ships; random: shows the plumbing only"),
    "model_config": ("lite", "network when weights is random: lite, resnet50 or resnet101"),
    "rviz": ("false", "show everything in RViz, true or false"),
}


def generate_launch_description() -> LaunchDescription:
    """perception.launch.py with a player."""
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, (default, description) in ARGUMENTS.items()
    ]
    perception = Path(get_package_share_directory("cinet_ros")) / "launch" / "perception.launch.py"
    included = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(perception)),
        launch_arguments=[(name, LaunchConfiguration(name)) for name in ARGUMENTS],
    )
    return LaunchDescription([*declared, included])
