"""Which of our topics each consumer's inputs are remapped to. Facts only: what a consumer demands of them, and the
source lines that say so, is in test/support/consumer_demands.py.

Everything comes from one camera and one frame, so that sizes, stamps and frame_id are equal. `rgb/image_rect` is the
image that depth and labels belong to: the camera's own topic may have another size, or lens distortion.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

Wiring = Mapping[str, str]
"""Topic as the consumer calls it -> output of the perception node, without namespace and camera."""

RTABMAP: Wiring = MappingProxyType(
    {
        "rgb/image": "rgb/image_rect",
        "rgb/camera_info": "rgb/camera_info",
        "depth/image": "depth_registered/image_rect",
    }
)
"""Of rtabmap_odom's rgbd_odometry and rtabmap_slam's rtabmap."""

HYDRA_INPUT = "camera"
"""Name of the input in config/integrations/hydra_input.yaml; Hydra makes its topics of it."""

HYDRA: Wiring = MappingProxyType(
    {
        f"hydra/input/{HYDRA_INPUT}/rgb/image_raw": "rgb/image_rect",
        f"hydra/input/{HYDRA_INPUT}/rgb/camera_info": "rgb/camera_info",
        f"hydra/input/{HYDRA_INPUT}/depth_registered/image_rect": "depth_registered/image_rect",
        f"hydra/input/{HYDRA_INPUT}/semantic/image_raw": "semantic/image_raw",
    }
)
"""Of hydra_ros_node, called hydra."""

NVBLOX: Wiring = MappingProxyType(
    {
        "camera_0/depth/image": "depth_registered/image_rect",
        "camera_0/depth/camera_info": "depth_registered/camera_info",
        "camera_0/color/image": "rgb/image_rect",
        "camera_0/color/camera_info": "rgb/camera_info",
        "camera_0/mask/image": "semantic/mask",
        "camera_0/mask/camera_info": "semantic/camera_info",
    }
)
"""Of nvblox_ros's nvblox_node."""

NAV2: Wiring = MappingProxyType(
    {
        "segmentation_topic": "semantic/image_raw",
        "confidence_topic": "semantic/confidence",
        "pointcloud_topic": "points_at_height",
        "labels_topic": "semantic/label_info",
    }
)
"""Of semantic_segmentation_layer: parameters of a source, not remappings. Its mask is class ids: not semantic/mask.

It looks at no heights: of `points`, a lintel would close its doorway.
"""

NAV2_LAYERS: Mapping[str, Wiring] = MappingProxyType(
    {
        "obstacle": MappingProxyType({"obstacles": "obstacles", "ground": "ground", "scan": "scan"}),
        "voxel": MappingProxyType({"obstacles": "obstacles", "free": "free"}),
        "stvl": MappingProxyType({"obstacles": "obstacles", "view": "obstacles"}),
    }
)
"""Of the layers that Nav2 ships, and STVL: the topic of each observation source."""

NAV2_COLLISION_MONITOR: Wiring = MappingProxyType({"obstacles": "obstacles"})
"""Of nav2_collision_monitor: the topic of each observation source."""

KIMERA: Wiring = MappingProxyType({"pointcloud": "points"})
"""Of kimera_semantics_node, a ROS 1 node behind a bridge."""


def full_name(topic: str, namespace: str = "", camera: str = "") -> str:
    """An output's absolute name.

    Args:
        topic: relative, such as ``points``.
        namespace: of the perception node.
        camera: name of the camera, where the node has several: the prefix of its topics.
    """
    parts = [part.strip("/") for part in (namespace, camera, topic)]
    return "/" + "/".join(part for part in parts if part)


def resolved(wiring: Wiring, namespace: str = "", camera: str = "") -> dict[str, str]:
    """A wiring with absolute names of our topics."""
    return {theirs: full_name(ours, namespace, camera) for theirs, ours in wiring.items()}
