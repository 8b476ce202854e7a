"""Which topics of a bag this package wrote: predictions must not be taken for a camera, or for a sensor's depth."""

from __future__ import annotations

from collections.abc import Collection

from cinet_core.messages.topic_names import base_topic, topic_parts
from cinet_core.messages.topics import TOPICS

__all__ = ["CAMERA_COPY", "is_predicted"]

_OWN = frozenset(topic for topic, kind in TOPICS.items() if kind == "sensor_msgs/msg/Image")
_DISTINCTIVE = ("semantic/classes", "semantic/label_info", "semantic/image_raw", "semantic/confidence", "stats")
"""Outputs that no driver has: where one is, the others beside it are outputs, too."""

CAMERA_COPY = "rgb/image_rect"
"""The one output that is the camera's image: rectified, nothing drawn on it."""


def is_predicted(topic: str, names: Collection[str]) -> bool:
    """Whether a topic is an output of the perception node, or of ``cinet bag run``.

    ``depth_registered/image_rect`` and ``rgb/image_rect`` are drivers' names as well: these count as predicted where
    another output lies beside them, or where they have no namespace while the bag's other images have.

    Args:
        topic: name, with or without a transport.
        names: of all topics.
    """
    base = base_topic(topic)
    name = next((own for own in _OWN if base == own or base.endswith(f"/{own}")), None)
    if name is None:
        return False
    prefix = base[: -len(name)]
    if name.startswith("semantic") or any(prefix + output in names for output in _DISTINCTIVE):
        return True
    return prefix in ("", "/") and not any(_drivers_own(other) for other in names)


def _drivers_own(topic: str) -> bool:
    """Whether it is a sensor's topic without a namespace, beside which the others are a sensor's, too."""
    parts = topic_parts(topic)
    return len(parts) == 2 and parts[0] in ("rgb", "color", "depth", "ir") and parts[1].startswith("image") and (
        "/".join(parts) not in _OWN
    )  # fmt: skip
