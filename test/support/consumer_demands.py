"""What other people's nodes demand of our messages, and the line of their source that says so.

Read from the repositories at these commits (a reference is FILE:LINE there):

- rtabmap_ros: introlab/rtabmap_ros aec4f91f6150, branch ros2; rtabmap: introlab/rtabmap 5fad2d29c347
- hydra: MIT-SPARK/Hydra 2e58a35baea6; hydra_ros: MIT-SPARK/Hydra-ROS, the ROS 2 version of 2026 (hydra.launch.yaml at
  0d711c458dac; its C++ was read in an index of files that does not tell their commit)
- isaac_ros_nvblox: NVIDIA-ISAAC-ROS/isaac_ros_nvblox 319438a008ca; isaac_ros_common: d7164701715e;
  nvblox: nvidia-isaac/nvblox 7c76f90749aa
- semantic_segmentation_layer: ros-navigation/semantic_segmentation_layer b269885415ac
- kimera: MIT-SPARK/Kimera-Semantics 1ed69c61f4d1; voxblox: ethz-asl/voxblox c8066b04075d
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rclpy.qos import DurabilityPolicy, LivelinessPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image, PointCloud2


def _qos(depth: int, reliability: ReliabilityPolicy, durability: DurabilityPolicy) -> QoSProfile:
    """As rclcpp resolves it: what a profile leaves open, no comparison can tell."""
    return QoSProfile(
        depth=depth, reliability=reliability, durability=durability, liveliness=LivelinessPolicy.AUTOMATIC
    )


RELIABLE = _qos(5, ReliabilityPolicy.RELIABLE, DurabilityPolicy.VOLATILE)
LAST_RELIABLE = _qos(1, ReliabilityPolicy.RELIABLE, DurabilityPolicy.VOLATILE)
BEST_EFFORT = _qos(10, ReliabilityPolicy.BEST_EFFORT, DurabilityPolicy.VOLATILE)
LATCHED = _qos(5, ReliabilityPolicy.RELIABLE, DurabilityPolicy.TRANSIENT_LOCAL)

COLOR_OF_RTABMAP = ("8UC1", "mono8", "mono16", "bgr8", "rgb8", "bgra8", "rgba8", "bayer_grbg8")
DEPTH_OF_RTABMAP = ("16UC1", "32FC1", "mono16")


@dataclass(frozen=True)
class Demand:
    """Of one input topic.

    Attributes:
        kind: message type, or its full name where it comes with a distribution only.
        qos: of the consumer's subscription.
        encodings: accepted ones; () for what is no image.
        sources: where it says so.
    """

    kind: type | str
    qos: QoSProfile
    encodings: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()


@dataclass(frozen=True)
class Consumer:
    """A node that takes our topics.

    Attributes:
        inputs: by topic, as the consumer calls it (Nav2: by parameter).
        parameters: names that its source declares, of those that our files set, with where.
        equal_stamps: the sources that synchronise exactly; () for one that is content with about.
    """

    inputs: Mapping[str, Demand]
    parameters: Mapping[str, str] = field(default_factory=dict)
    equal_stamps: tuple[str, ...] = ()


_RGBD_ODOMETRY = "rtabmap_ros rtabmap_odom/src/nodelets/rgbd_odometry.cpp"
_DEPTH_SYNC = "rtabmap_ros rtabmap_sync/src/impl/CommonDataSubscriberDepth.cpp"
_SUBSCRIBER = "rtabmap_ros rtabmap_sync/src/CommonDataSubscriber.cpp"
_CORE, _ODOMETRY = "rtabmap_ros rtabmap_slam/src/CoreWrapper.cpp", "rtabmap_ros rtabmap_odom/src/OdometryROS.cpp"
_PARAMETERS = "rtabmap corelib/include/rtabmap/core/Parameters.h"

RTABMAP = Consumer(
    inputs={
        "rgb/image": Demand(
            Image, RELIABLE, COLOR_OF_RTABMAP, (f"{_RGBD_ODOMETRY}:369", f"{_RGBD_ODOMETRY}:454", f"{_DEPTH_SYNC}:510")
        ),
        "depth/image": Demand(
            Image, RELIABLE, DEPTH_OF_RTABMAP, (f"{_RGBD_ODOMETRY}:370", f"{_RGBD_ODOMETRY}:462", f"{_DEPTH_SYNC}:511")
        ),
        # fx, fy, cx and cy above 0 or nothing can be projected
        "rgb/camera_info": Demand(
            CameraInfo,
            RELIABLE,
            (),
            (f"{_RGBD_ODOMETRY}:371", f"{_DEPTH_SYNC}:512", "rtabmap corelib/include/rtabmap/core/CameraModel.h:87"),
        ),
    },
    parameters={
        "subscribe_depth": f"{_SUBSCRIBER}:372",
        "subscribe_odom_info": f"{_SUBSCRIBER}:380",
        "approx_sync": f"{_SUBSCRIBER}:527, {_RGBD_ODOMETRY}:95",
        "topic_queue_size": f"{_SUBSCRIBER}:386, {_RGBD_ODOMETRY}:97",
        "sync_queue_size": f"{_SUBSCRIBER}:396, {_RGBD_ODOMETRY}:107",
        "qos": f"{_SUBSCRIBER}:400, {_ODOMETRY}:114",
        "frame_id": f"{_CORE}:174, {_ODOMETRY}:133",
        "odom_frame_id": f"{_SUBSCRIBER}:384, {_ODOMETRY}:134",
        "wait_for_transform": f"{_CORE}:210, {_ODOMETRY}:137",
        # the library's own, which both nodes declare as text (CoreWrapper.cpp:366, OdometryROS.cpp:276)
        "RGBD/CreateOccupancyGrid": f"{_PARAMETERS}:400",
        "Kp/MaxDepth": f"{_PARAMETERS}:248",
        "g2o/Baseline": f"{_PARAMETERS}:464",
        "Odom/ResetCountdown": f"{_PARAMETERS}:470",
        "Vis/EstimationType": f"{_PARAMETERS}:713",
        "Vis/MinInliers": f"{_PARAMETERS}:729",
        "Vis/MaxDepth": f"{_PARAMETERS}:742",
        "Grid/Sensor": f"{_PARAMETERS}:877",
        "Grid/RangeMax": f"{_PARAMETERS}:880",
    },
    equal_stamps=(f"{_RGBD_ODOMETRY}:382",),
)

_RECEIVER = "hydra_ros hydra_ros/src/input/image_receiver.cpp"
_CONVERSION = "hydra src/input/input_conversion.cpp"
_SENSORS = "hydra_ros hydra_ros/src/input/ros_sensors.cpp"
_LABEL_SPACE = "hydra src/common/label_space_config.cpp"
_HYDRA_LAUNCH = "hydra_ros hydra_ros/launch/hydra.launch.yaml"
_IN = "hydra/input/camera"

HYDRA = Consumer(
    inputs={
        f"{_IN}/rgb/image_raw": Demand(
            Image, LAST_RELIABLE, ("rgb8", "bgr8", "rgba8", "bgra8", "mono8"), (f"{_RECEIVER} ColorSubscriber",)
        ),
        f"{_IN}/depth_registered/image_rect": Demand(
            Image, LAST_RELIABLE, ("32FC1", "16UC1"), (f"{_RECEIVER} DepthSubscriber", f"{_CONVERSION}:176")
        ),
        f"{_IN}/semantic/image_raw": Demand(
            Image,
            LAST_RELIABLE,
            ("mono8", "8UC1", "8SC1", "16UC1", "16SC1", "32SC1"),
            (f"{_RECEIVER} LabelSubscriber", f"{_CONVERSION}:150"),
        ),
        # durability by latch_info_sub; only width, height and K are read
        f"{_IN}/rgb/camera_info": Demand(CameraInfo, LAST_RELIABLE, (), (f"{_SENSORS} getCameraInfo",)),
    },
    parameters={
        "total_semantic_labels": f"{_LABEL_SPACE}:44",
        "semantic_colormap_file": f"{_LABEL_SPACE}:45",
        "dynamic_labels": f"{_LABEL_SPACE}:47",
        "invalid_labels": f"{_LABEL_SPACE}:48",
        "object_labels": f"{_LABEL_SPACE}:49",
        "surface_places_labels": f"{_LABEL_SPACE}:51",
        "ground_labels": f"{_LABEL_SPACE}:52",
        "label_names": "hydra src/common/global_info.cpp:120",
    },
)

_LAYER = "semantic_segmentation_layer src/semantic_segmentation_layer.cpp"
_BUFFER = "semantic_segmentation_layer src/segmentation_buffer.cpp"

# one byte a pixel, read without looking at encoding or step
_ONE_BYTE = ("mono8", "8UC1")

NAV2 = Consumer(
    inputs={
        "segmentation_topic": Demand(Image, BEST_EFFORT, _ONE_BYTE, (f"{_LAYER}:196", f"{_BUFFER}:283")),
        "confidence_topic": Demand(Image, BEST_EFFORT, _ONE_BYTE, (f"{_LAYER}:196", f"{_BUFFER}:287")),
        "pointcloud_topic": Demand(PointCloud2, BEST_EFFORT, (), (f"{_LAYER}:502", f"{_BUFFER}:192")),
        "labels_topic": Demand("vision_msgs/msg/LabelInfo", LATCHED, (), (f"{_LAYER}:202", f"{_BUFFER}:115")),
    },
    parameters={
        "plugin": "semantic_segmentation_layer costmap_plugins.xml:2",
        "enabled": f"{_LAYER}:73",
        "combination_method": f"{_LAYER}:74",
        "observation_sources": f"{_LAYER}:75",
        "use_approximate_time_sync": f"{_LAYER}:77",
        "segmentation_topic": f"{_LAYER}:106",
        "confidence_topic": f"{_LAYER}:107",
        "labels_topic": f"{_LAYER}:108",
        "pointcloud_topic": f"{_LAYER}:109",
        "observation_persistence": f"{_LAYER}:110",
        "expected_update_rate": f"{_LAYER}:111",
        "class_types": f"{_LAYER}:112",
        "max_obstacle_distance": f"{_LAYER}:113",
        "min_obstacle_distance": f"{_LAYER}:114",
        "tile_map_decay_time": f"{_LAYER}:115",
        "use_cost_selection": f"{_LAYER}:117",
        "camera_horizontal_fov": f"{_LAYER}:118",
        "camera_vertical_fov": f"{_LAYER}:119",
        "fov_decay_time": f"{_LAYER}:120",
        "outside_fov_decay_time": f"{_LAYER}:121",
        "classes": f"{_LAYER}:157",
        "base_cost": f"{_LAYER}:158",
        "max_cost": f"{_LAYER}:159",
        "mark_confidence": f"{_LAYER}:160",
        "samples_to_max_cost": f"{_LAYER}:161",
        "dominant_priority": f"{_LAYER}:162",
    },
    equal_stamps=(f"{_LAYER}:274",),
)

_NVBLOX_NODE = "isaac_ros_nvblox nvblox_ros/src/lib/nvblox_node.cpp"
_NVBLOX_IMAGES = "isaac_ros_nvblox nvblox_ros/src/lib/conversions/image_conversions.cpp"
_NVBLOX_PARAMETERS = "isaac_ros_nvblox nvblox_ros/include/nvblox_ros/node_params.hpp"
_NVBLOX_CONFIG = "isaac_ros_nvblox nvblox_examples/nvblox_examples_bringup/config/nvblox"

NVBLOX = Consumer(
    inputs={
        # of these two nvblox itself skips 0 and not NaN: nvblox/src/integrators/view_calculator.cu:118
        "camera_0/depth/image": Demand(
            Image, RELIABLE, ("16UC1", "mono16"), (f"{_NVBLOX_NODE}:256", f"{_NVBLOX_IMAGES}:152")
        ),
        "camera_0/depth/camera_info": Demand(CameraInfo, RELIABLE, (), (f"{_NVBLOX_NODE}:252", f"{_NVBLOX_IMAGES}:29")),
        "camera_0/color/image": Demand(
            Image, RELIABLE, ("rgb8", "bgra8"), (f"{_NVBLOX_NODE}:304", f"{_NVBLOX_IMAGES}:169")
        ),
        "camera_0/color/camera_info": Demand(CameraInfo, RELIABLE, (), (f"{_NVBLOX_NODE}:300",)),
        "camera_0/mask/image": Demand(Image, RELIABLE, ("mono8",), (f"{_NVBLOX_NODE}:266", f"{_NVBLOX_IMAGES}:191")),
        "camera_0/mask/camera_info": Demand(CameraInfo, RELIABLE, (), (f"{_NVBLOX_NODE}:262",)),
    },
    parameters={
        "num_cameras": f"{_NVBLOX_PARAMETERS}:75",
        "use_depth": f"{_NVBLOX_PARAMETERS}:64",
        "use_color": f"{_NVBLOX_PARAMETERS}:61",
        "use_lidar": f"{_NVBLOX_PARAMETERS}:71",
        "use_segmentation": f"{_NVBLOX_PARAMETERS}:67",
        "mapping_type": f"{_NVBLOX_PARAMETERS}:87",
        "input_qos": f"{_NVBLOX_NODE}:236",
        "voxel_size": f"{_NVBLOX_PARAMETERS}:84",
        "esdf_mode": f"{_NVBLOX_PARAMETERS}:90",
        "global_frame": f"{_NVBLOX_PARAMETERS}:45",
        "map_clearing_frame_id": f"{_NVBLOX_PARAMETERS}:99",
        "map_clearing_radius_m": f"{_NVBLOX_PARAMETERS}:94",
        "max_back_projection_distance": f"{_NVBLOX_PARAMETERS}:195",
        # declared by the library that the node is built on
        "remove_small_connected_components": f"{_NVBLOX_CONFIG}/nvblox_base.yaml:69",
        "connected_mask_component_size_threshold": f"{_NVBLOX_CONFIG}/nvblox_base.yaml:68",
        "projective_integrator_max_integration_distance_m": f"{_NVBLOX_CONFIG}/nvblox_base.yaml:76",
        "esdf_slice_height": f"{_NVBLOX_CONFIG}/specializations/nvblox_zed.yaml:13",
        "esdf_slice_min_height": f"{_NVBLOX_CONFIG}/specializations/nvblox_zed.yaml:14",
        "esdf_slice_max_height": f"{_NVBLOX_CONFIG}/specializations/nvblox_zed.yaml:15",
    },
    equal_stamps=(f"{_NVBLOX_NODE}:283", f"{_NVBLOX_NODE}:318"),
)

_TSDF_SERVER = "voxblox voxblox_ros/src/tsdf_server.cc"
_KIMERA_PARAMETERS = "kimera kimera_semantics_ros/src/ros_params.cpp"

KIMERA = Consumer(
    inputs={"pointcloud": Demand(PointCloud2, RELIABLE, (), (f"{_TSDF_SERVER}:59", f"{_TSDF_SERVER}:222"))},
    parameters={
        "world_frame": "voxblox voxblox_ros/src/transformer.cc:17",
        "use_tf_transforms": "voxblox voxblox_ros/src/transformer.cc:29",
        "tsdf_voxel_size": "voxblox voxblox_ros/include/voxblox_ros/ros_params.h:25",
        "tsdf_voxels_per_side": "voxblox voxblox_ros/include/voxblox_ros/ros_params.h:26",
        "voxel_carving_enabled": "voxblox voxblox_ros/include/voxblox_ros/ros_params.h:71",
        "max_ray_length_m": "voxblox voxblox_ros/include/voxblox_ros/ros_params.h:76",
        "update_mesh_every_n_sec": f"{_TSDF_SERVER}:130",
        "method": f"{_KIMERA_PARAMETERS}:25",
        "semantic_label_2_color_csv_filepath": f"{_KIMERA_PARAMETERS}:34",
        "semantic_measurement_probability": f"{_KIMERA_PARAMETERS}:45",
        "semantic_color_mode": f"{_KIMERA_PARAMETERS}:53",
        "dynamic_semantic_labels": f"{_KIMERA_PARAMETERS}:70",
    },
)

CONSUMERS: Mapping[str, Consumer] = {
    "rtabmap": RTABMAP,
    "hydra": HYDRA,
    "nvblox": NVBLOX,
    "nav2": NAV2,
    "kimera": KIMERA,
}
