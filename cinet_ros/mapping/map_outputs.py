"""Publishers of the map, latched, so that late subscribers get it as it is, and of its objects, as frames show them."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from nav_msgs.msg import OccupancyGrid
from rclpy.node import Node
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import PointCloud2
from visualization_msgs.msg import MarkerArray

from cinet_ros.publishers import LATCHED_QOS, OUTPUT_QOS, PublishGate

POINTS, OCCUPANCY, MARKERS = "map/points", "map/occupancy", "map/markers"
OBJECTS, OBJECT_MARKERS = "mapping/objects", "mapping/objects/markers"
MESSAGE_TYPES: Mapping[str, type] = {POINTS: PointCloud2, OCCUPANCY: OccupancyGrid, MARKERS: MarkerArray}


def object_types() -> dict[str, type]:
    """Topics and types of the objects; `OBJECTS` where vision_msgs is installed."""
    try:
        from vision_msgs.msg import Detection3DArray
    except ImportError:  # it comes with a distribution only, and older ones have other messages in it
        return {OBJECT_MARKERS: MarkerArray}
    return {OBJECTS: Detection3DArray, OBJECT_MARKERS: MarkerArray}


class MapOutputs:
    """Publishers of one map.

    Args:
        node: that publishes.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._publishers: dict[str, Any] = {}
        if OBJECTS not in object_types():
            node.get_logger().info(f"{OBJECTS} is not published, only {OBJECT_MARKERS}: vision_msgs is not installed")
        try:
            objects = object_types()
            for topic, kind in {**MESSAGE_TYPES, **objects}.items():
                # What moves is not to be latched: a late subscriber would see where it was.
                profile = OUTPUT_QOS if topic in objects else LATCHED_QOS
                # A copy: rclpy writes the overrides of this topic into the profile that it is given.
                options = QoSOverridingOptions.with_default_policies()
                self._publishers[topic] = node.create_publisher(
                    kind, topic, copy.copy(profile), qos_overriding_options=options
                )
        except Exception:  # such as a QoS override that cannot be: no half of them shall stay on the wire
            self.close()
            raise

    def wanted(self) -> bool:
        """Return whether any of the map's topics has a subscriber."""
        return any(self._subscribed(topic) for topic in MESSAGE_TYPES)

    def wanted_objects(self) -> frozenset[str]:
        """Return the topics of the objects that have a subscriber."""
        return frozenset(topic for topic in (OBJECTS, OBJECT_MARKERS) if self._subscribed(topic))

    def _subscribed(self, topic: str) -> bool:
        publisher = self._publishers.get(topic)
        return publisher is not None and publisher.get_subscription_count() > 0

    def publish(self, messages: Mapping[str, Any], gate: PublishGate) -> None:
        """Publish messages by topic, unless the gate is shut."""
        for topic, message in messages.items():
            publisher = self._publishers.get(topic)
            if publisher is None or not gate.publish(publisher, message):
                return

    def close(self) -> None:
        """Destroy the publishers."""
        # Forgotten first: a worker left behind may look at them still.
        publishers, self._publishers = self._publishers, {}
        for publisher in publishers.values():
            self._node.destroy_publisher(publisher)
