"""Stand-ins for the packages of the consumers: the names that our launch files need, executables that record."""

from __future__ import annotations

import json

from ament_prefix import Prefix

HYDRA_LAUNCH = """
launch:
  - arg: {name: dataset}
  - arg: {name: labelspace}
  - arg: {name: hydra_config_path}
  - arg: {name: input_config_path}
  - arg: {name: labelspace_path}
  - arg: {name: robot_frame}
  - arg: {name: odom_frame}
  - arg: {name: map_frame}
  - arg: {name: sensor_frame}
  - arg: {name: start_visualizer}
  - arg: {name: extra_yaml}
  - node:
      pkg: hydra_ros
      exec: hydra_ros_node
      name: hydra
      args: $(var input_config_path) $(var hydra_config_path) $(var labelspace_path) $(var extra_yaml)
        $(var robot_frame) $(var odom_frame)
"""

NAVIGATION_LAUNCH = """
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

def generate_launch_description():
    defaults = {"params_file": None, "use_sim_time": "false", "autostart": "true", "namespace": "", "log_level": "warn"}
    node = Node(package="nav2_bringup", executable="navigation", arguments=[LaunchConfiguration(n) for n in defaults])
    return LaunchDescription([*(DeclareLaunchArgument(n, default_value=value) for n, value in defaults.items()), node])
"""

NAV2_PARAMETERS = {"local_costmap": {"local_costmap": {"ros__parameters": {"plugins": ["inflation_layer"]}}}}


def add_rtabmap(prefix: Prefix) -> None:
    """rtabmap_ros, and tf2_ros's publisher of a transform."""
    prefix.add("rtabmap_odom", "rgbd_odometry")
    prefix.add("rtabmap_slam", "rtabmap")
    prefix.add("rtabmap_viz", "rtabmap_viz")
    prefix.add("tf2_ros", "static_transform_publisher")


def add_hydra(prefix: Prefix) -> None:
    """Hydra with its launch file and one configuration."""
    prefix.add("hydra", files={"config/datasets/kimera_multi_rgbd.yaml": ""})
    prefix.add("hydra_ros", "hydra_ros_node", files={"launch/hydra.launch.yaml": HYDRA_LAUNCH})


def add_nvblox(prefix: Prefix) -> None:
    """nvblox_ros."""
    prefix.add("nvblox_ros", "nvblox_node")


def add_nav2(prefix: Prefix) -> None:
    """nav2_bringup, whose launch file has arguments of the same names as ours, and layers that do not come with it."""
    files = {"params/nav2_params.yaml": json.dumps(NAV2_PARAMETERS), "launch/navigation_launch.py": NAVIGATION_LAUNCH}
    prefix.add("nav2_bringup", "navigation", files=files)
    prefix.add("semantic_segmentation_layer")
    prefix.add("spatio_temporal_voxel_layer")
