"""The topics of one processed frame, without prefix: their types, and which of them are forms of another."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from cinet_core.tasks import TASKS
from cinet_core.tasks.spec import COMPRESSED_DEPTH, JPEG, ImageTopic

__all__ = [
    "COMPRESSED",
    "CORRECTION",
    "DOWNSAMPLED_POINTS",
    "FULL",
    "IMAGES",
    "POINTS",
    "RAW_DEPTH",
    "STATS",
    "TOPICS",
    "UNCERTAINTY",
    "topics_of",
]

_CAMERA_INFO, _IMAGE = "sensor_msgs/msg/CameraInfo", "sensor_msgs/msg/Image"
_CLOUD, _COMPRESSED = "sensor_msgs/msg/PointCloud2", "sensor_msgs/msg/CompressedImage"

POINTS, DOWNSAMPLED_POINTS = "points", "points_downsampled"

RAW_DEPTH, UNCERTAINTY = "depth_registered/raw", "depth_registered/uncertainty"
CORRECTION = (RAW_DEPTH, UNCERTAINTY)
"""Depth before it was corrected by anchors and frames before, and how far it may be off after that."""

IMAGES: Mapping[str, ImageTopic] = {
    topic.name: topic
    for topic in (
        *(topic for task in TASKS for topic in task.topics),
        ImageTopic(
            "rgb/image_rect",
            encoding="rgb8",
            fill=lambda buffer, result, settings, label_set: buffer.fill(result.image, result.header),
            codec=JPEG,
        ),
    )
}
"""Image topics of every frame: those of the tasks, and the image itself."""

COMPRESSED: Mapping[str, tuple[str, str]] = {
    f"{name}/{'compressedDepth' if topic.codec == COMPRESSED_DEPTH else 'compressed'}": (name, topic.codec)
    for name, topic in IMAGES.items()
    if topic.codec is not None
}
"""Compressed forms, named as image_transport's subscribers look for them: the image's topic, and the codec."""

TOPICS: Mapping[str, str] = {
    "depth_registered/camera_info": _CAMERA_INFO,
    "semantic/camera_info": _CAMERA_INFO,
    "rgb/camera_info": _CAMERA_INFO,
    **dict.fromkeys(IMAGES, _IMAGE),
    **dict.fromkeys(CORRECTION, _IMAGE),
    POINTS: _CLOUD,
    DOWNSAMPLED_POINTS: _CLOUD,
    **dict.fromkeys(COMPRESSED, _COMPRESSED),
}
"""Outputs of every frame and their types, in the order of publishing; `topics_of` has those of a network.

The small ones come first, so that a synchroniser never waits for a camera_info; the compressed ones, which take the
longest to make, last.
"""

STATS = "stats"
"""Tells of the frames above, and is of none: alone it asks for no frame."""

FULL: tuple[str, ...] = tuple(
    topic for topic in TOPICS if topic not in COMPRESSED and topic not in (DOWNSAMPLED_POINTS, *CORRECTION)
)
"""Those of `TOPICS` that hold everything; the others say the same again, in fewer bytes or before correction."""


def topics_of(tasks: Collection[str]) -> dict[str, str]:
    """Those of `TOPICS` that a network with these tasks has, such as `ModelConfig.tasks`."""
    foreign = {topic.name for task in TASKS if task.name not in tasks for topic in task.topics}
    return {name: kind for name, kind in TOPICS.items() if COMPRESSED.get(name, (name,))[0] not in foreign}
