"""Subscriptions of the mapping node: the topics of a frame, the poses, and the classes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CameraInfo, Image

from cinet_core.label_sets import LABEL_SETS, LabelSet
from cinet_ros.mapping.frame_arrays import CAMERA_INFO, COLOR, CONFIDENCE, DEPTH, LABELS
from cinet_ros.mapping.parameters import MappingSettings
from cinet_ros.mapping.pose_sources import MESSAGES
from cinet_ros.msg import SemanticClasses

CLASSES = "semantic/classes"
POSE_TYPES = tuple(kind for _, kind in MESSAGES.values())

# Frames whose messages may wait while the executor does something else; images are large.
FRAME_QUEUE_DEPTH = 10
# Odometry comes at up to a few hundred Hz.
POSE_QUEUE_DEPTH = 200

_RELIABILITY = {"reliable": ReliabilityPolicy.RELIABLE, "best_effort": ReliabilityPolicy.BEST_EFFORT}


class MapInputs:
    """All subscriptions of the mapping node.

    Args:
        node: that subscribes.
        settings: of the node.
        on_frame_part: called with the topic (of `frame_arrays`) and each message of a frame.
        on_pose: called with each Odometry or PoseStamped.
        on_classes: called with each SemanticClasses.

    Attributes:
        frame_topics: topics (of `frame_arrays`) of which a frame has a message each.
    """

    def __init__(
        self,
        node: Node,
        settings: MappingSettings,
        on_frame_part: Callable[[str, Any], None],
        on_pose: Callable[[Any], None],
        on_classes: Callable[[Any], None],
    ) -> None:
        self.frame_topics = (DEPTH, CAMERA_INFO, LABELS, CONFIDENCE, *((COLOR,) if settings.use_color else ()))
        self._node = node
        self._prefix = f"{settings.camera}/" if settings.camera else ""
        self._reliability = _RELIABILITY[settings.input_reliability]
        self._subscriptions: list[Any] = []
        # Relative name -> type, callback, depth.
        self._wanted: dict[str, tuple[type, Callable[[Any], None], int]] = {
            self._prefix + topic: (
                CameraInfo if topic == CAMERA_INFO else Image,
                functools.partial(on_frame_part, topic),
                FRAME_QUEUE_DEPTH,
            )
            for topic in self.frame_topics
        }
        if settings.pose_source in MESSAGES:
            topic, kind = MESSAGES[settings.pose_source]
            self._wanted[topic] = (kind, on_pose, POSE_QUEUE_DEPTH)
        self._on_classes = on_classes if settings.label_set == "auto" else None

    def open(self) -> None:
        """Subscribe."""
        for topic, (kind, callback, depth) in self._wanted.items():
            self._subscribe(kind, topic, callback, QoSProfile(depth=depth, reliability=self._reliability))
        if self._on_classes is not None:
            latched = QoSProfile(
                depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL
            )
            self._subscribe(SemanticClasses, self._prefix + CLASSES, self._on_classes, latched)

    def _subscribe(self, kind: type, topic: str, callback: Callable[[Any], None], profile: QoSProfile) -> None:
        options = QoSOverridingOptions.with_default_policies()
        subscription = self._node.create_subscription(kind, topic, callback, profile, qos_overriding_options=options)
        self._subscriptions.append(subscription)

    def close(self) -> None:
        """Unsubscribe."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions.clear()

    def resolved(self, topic: str) -> str:
        """Return the full name of a topic of a frame."""
        return self._node.resolve_topic_name(self._prefix + topic)

    def unpublished(self, *, poses: bool) -> list[str]:
        """Return the full names of topics without a publisher: those of poses (none for TF), or those of frames."""
        topics = [topic for topic, (kind, _, _) in self._wanted.items() if (kind in POSE_TYPES) == poses]
        if self._on_classes is not None and not poses:
            topics.append(self._prefix + CLASSES)
        resolved = [self._node.resolve_topic_name(topic) for topic in topics]
        return [topic for topic in resolved if self._node.count_publishers(topic) == 0]  # which remaps nothing


def label_set_of(message: SemanticClasses) -> LabelSet:
    """Return the label set that a message describes.

    Raises:
        ValueError: its ids are not 0 to N - 1, each once, or its names are none of a label set.
    """
    classes = sorted(message.classes, key=lambda item: item.id)
    if [item.id for item in classes] != list(range(len(classes))):
        raise ValueError(
            f"{CLASSES} has the ids {[item.id for item in classes][:20]}: 0 to N - 1 are needed, each once; look "
            "at who publishes it"
        )
    names = tuple(item.name for item in classes)
    known = LABEL_SETS.get(message.label_set)
    return known if known is not None and known.classes == names else LabelSet(message.label_set, names)
