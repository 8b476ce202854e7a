"""Which parameters Nav2's layers and collision monitor declare, of which type, and in which line of their source.

Read in ros-navigation/navigation2 a3a97043 (branch main) and SteveMacenski/spatio_temporal_voxel_layer 403d9ed (main).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["COLLISION_MONITOR", "LAYERS", "Declared"]

Names = Mapping[str, tuple[type, int]]
"""Parameter -> its type, and the line that declares it."""


@dataclass(frozen=True)
class Declared:
    """Of a file of ours.

    Attributes:
        source: where the lines are.
        plugin: name of the class, and where it is registered.
        own: parameters of the layer or node itself.
        observation: of each of its observation sources.
        polygon: of each polygon.
    """

    source: str
    plugin: tuple[str, str]
    own: Names
    observation: Names
    polygon: Names = field(default_factory=dict)


_OBSTACLE_SOURCES: Names = {
    "topic": (str, 135),
    "sensor_frame": (str, 137),
    "observation_persistence": (float, 139),
    "expected_update_rate": (float, 141),
    "data_type": (str, 143),
    "min_obstacle_height": (float, 145),
    "max_obstacle_height": (float, 147),
    "inf_is_valid": (bool, 149),
    "marking": (bool, 151),
    "clearing": (bool, 153),
    "transport_type": (str, 155),
    "obstacle_max_range": (float, 167),
    "obstacle_min_range": (float, 169),
    "raytrace_max_range": (float, 173),
    "raytrace_min_range": (float, 175),
}
"""Of nav2_costmap_2d/plugins/obstacle_layer.cpp, on which the voxel layer is built."""

OBSTACLE = Declared(
    source="nav2_costmap_2d/plugins/obstacle_layer.cpp",
    plugin=("nav2_costmap_2d::ObstacleLayer", "nav2_costmap_2d/costmap_plugins.xml:12"),
    own={
        "enabled": (bool, 89),
        "footprint_clearing_enabled": (bool, 90),
        "min_obstacle_height": (float, 92),
        "max_obstacle_height": (float, 94),
        "combination_method": (int, 96),
        "observation_sources": (str, 98),
        "tf_filter_tolerance": (float, 102),
    },
    observation=_OBSTACLE_SOURCES,
)

VOXEL = Declared(
    source="nav2_costmap_2d/plugins/voxel_layer.cpp",
    plugin=("nav2_costmap_2d::VoxelLayer", "nav2_costmap_2d/costmap_plugins.xml:18"),
    own={
        "enabled": (bool, 70),
        "footprint_clearing_enabled": (bool, 71),
        "min_obstacle_height": (float, 73),
        "max_obstacle_height": (float, 75),
        "z_voxels": (int, 77),
        "origin_z": (float, 78),
        "z_resolution": (float, 79),
        "unknown_threshold": (int, 80),
        "mark_threshold": (int, 82),
        "combination_method": (int, 83),
        "publish_voxel_map": (bool, 85),
        "observation_sources": (str, 98),  # of the obstacle layer
    },
    observation=_OBSTACLE_SOURCES,
)

STVL = Declared(
    source="spatio_temporal_voxel_layer/src/spatio_temporal_voxel_layer.cpp",
    plugin=(
        "spatio_temporal_voxel_layer/SpatioTemporalVoxelLayer",
        "spatio_temporal_voxel_layer/costmap_plugins.xml:2",
    ),
    own={
        "observation_sources": (str, 87),
        "transform_tolerance": (float, 90),
        "enabled": (bool, 93),
        "publish_voxel_map": (bool, 97),
        "voxel_size": (float, 100),
        "combination_method": (int, 103),
        "mark_threshold": (int, 106),
        "update_footprint_enabled": (bool, 109),
        "track_unknown_space": (bool, 113),
        "decay_model": (int, 116),
        "voxel_decay": (float, 120),
        "mapping_mode": (bool, 123),
        "map_save_duration": (float, 126),
    },
    observation={
        "topic": (str, 178),
        "sensor_frame": (str, 179),
        "observation_persistence": (float, 180),
        "expected_update_rate": (float, 181),
        "data_type": (str, 182),
        "min_obstacle_height": (float, 185),
        "max_obstacle_height": (float, 186),
        "inf_is_valid": (bool, 187),
        "marking": (bool, 188),
        "clearing": (bool, 189),
        "obstacle_range": (float, 190),
        "min_z": (float, 192),
        "max_z": (float, 193),
        "vertical_fov_angle": (float, 194),
        "vertical_fov_padding": (float, 195),
        "horizontal_fov_angle": (float, 196),
        "decay_acceleration": (float, 197),
        "filter": (str, 198),
        "voxel_min_points": (int, 199),
        "clear_after_reading": (bool, 200),
        "enabled": (bool, 201),
        "model_type": (int, 202),
    },
)

COLLISION_MONITOR = Declared(
    source="nav2_collision_monitor/src: collision_monitor_node.cpp; of sources source.cpp (topic, enabled, "
    "source_timeout) and pointcloud.cpp; of polygons polygon.cpp",
    plugin=("", ""),
    own={
        "enabled": (bool, 101),
        "cmd_vel_in_topic": (str, 266),
        "cmd_vel_out_topic": (str, 268),
        "state_topic": (str, 270),
        "base_frame_id": (str, 272),
        "odom_frame_id": (str, 274),
        "transform_tolerance": (float, 276),
        "source_timeout": (float, 278),
        "base_shift_correction": (bool, 279),
        "stop_pub_timeout": (float, 283),
        "polygons": (list, 308),
        "observation_sources": (list, 359),
    },
    observation={
        "type": (str, 361),
        "topic": (str, 167),
        "enabled": (bool, 170),
        "source_timeout": (float, 174),
        "min_height": (float, 190),
        "max_height": (float, 191),
        "min_range": (float, 192),
        "use_global_height": (bool, 193),
        "transport_type": (str, 195),
    },
    polygon={
        "type": (str, 312),
        "action_type": (str, 421),
        "enabled": (bool, 438),
        "min_points": (int, 439),
        "trigger_consecutive_points": (int, 440),
        "release_consecutive_points": (int, 442),
        "slowdown_ratio": (float, 467),
        "linear_limit": (float, 471),
        "angular_limit": (float, 472),
        "time_before_collision": (float, 476),
        "simulation_time_step": (float, 478),
        "visualize": (bool, 482),
        "polygon_pub_topic": (str, 485),
        "sources_names": (list, 508),
        "points": (str, 552),
    },
)

LAYERS: Mapping[str, Declared] = {"obstacle": OBSTACLE, "voxel": VOXEL, "stvl": STVL}
"""By the name that `nav2.launch.py layer:=` has for it."""
