"""The topics of one processed frame, without prefix: their types, and which of them are forms of another."""

from __future__ import annotations

from collections.abc import Mapping

_CAMERA_INFO, _IMAGE = "sensor_msgs/msg/CameraInfo", "sensor_msgs/msg/Image"
_CLOUD, _COMPRESSED = "sensor_msgs/msg/PointCloud2", "sensor_msgs/msg/CompressedImage"

POINTS, DOWNSAMPLED_POINTS = "points", "points_downsampled"

JPEG, PNG, DEPTH = "jpeg", "png", "compressedDepth"
"""Codecs, as compressed_image_transport and compressed_depth_image_transport call them."""

# Classes are read back from the palette's colours and from ids: these may not lose a bit.
_CODECS: Mapping[str, str] = {
    "depth_registered/image_rect": DEPTH,
    "semantic/image_raw": PNG,
    "semantic/confidence": PNG,
    "semantic/mask": PNG,
    "semantic_color/image_raw": PNG,
    "semantic_overlay/image_raw": JPEG,
    "rgb/image_rect": JPEG,
}

COMPRESSED: Mapping[str, tuple[str, str]] = {
    f"{topic}/{'compressedDepth' if codec == DEPTH else 'compressed'}": (topic, codec)
    for topic, codec in _CODECS.items()
}
"""Compressed forms, named as image_transport's subscribers look for them: the image's topic, and the codec."""

TOPICS: Mapping[str, str] = {
    "depth_registered/camera_info": _CAMERA_INFO,
    "semantic/camera_info": _CAMERA_INFO,
    "rgb/camera_info": _CAMERA_INFO,
    **dict.fromkeys(_CODECS, _IMAGE),
    POINTS: _CLOUD,
    DOWNSAMPLED_POINTS: _CLOUD,
    **dict.fromkeys(COMPRESSED, _COMPRESSED),
}
"""Outputs of every frame and their types, in the order of publishing.

The small ones come first, so that a synchroniser never waits for a camera_info; the compressed ones, which take the
longest to make, last.
"""

STATS = "stats"
"""Tells of the frames above, and is of none: alone it asks for no frame."""

FULL: tuple[str, ...] = tuple(topic for topic in TOPICS if topic not in COMPRESSED and topic != DOWNSAMPLED_POINTS)
"""Those of `TOPICS` that hold everything; the others say the same again in fewer bytes."""
