"""Publishers of the map. They are latched, so that late subscribers get the current map."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from nav_msgs.msg import OccupancyGrid
from rclpy.node import Node
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import PointCloud2
from visualization_msgs.msg import MarkerArray

from cinet_ros.publishers import LATCHED_QOS, PublishGate

POINTS, OCCUPANCY, MARKERS = "map/points", "map/occupancy", "map/markers"
MESSAGE_TYPES: Mapping[str, type] = {POINTS: PointCloud2, OCCUPANCY: OccupancyGrid, MARKERS: MarkerArray}


class MapOutputs:
    """Publishers of one map.

    Args:
        node: that publishes.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._publishers: dict[str, Any] = {}
        try:
            for topic, kind in MESSAGE_TYPES.items():
                # A copy: rclpy writes the overrides of this topic into the profile that it is given.
                options = QoSOverridingOptions.with_default_policies()
                self._publishers[topic] = node.create_publisher(
                    kind, topic, copy.copy(LATCHED_QOS), qos_overriding_options=options
                )
        except Exception:  # such as a QoS override that cannot be: no half of them shall stay on the wire
            self.close()
            raise

    def wanted(self) -> bool:
        """Return whether any of the topics has a subscriber."""
        return any(publisher.get_subscription_count() > 0 for publisher in self._publishers.values())

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
