"""Subscribes to every output of the perception node, counts, and keeps the last complete frame."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

from cinet_ros.msg import PerceptionStats, SemanticClasses

OUTPUTS: dict[str, type] = {
    "depth_registered/image_rect": Image,
    "depth_registered/camera_info": CameraInfo,
    "semantic/image_raw": Image,
    "semantic/camera_info": CameraInfo,
    "semantic/confidence": Image,
    "semantic/mask": Image,
    "semantic_color/image_raw": Image,
    "semantic_overlay/image_raw": Image,
    "rgb/image_rect": Image,
    "rgb/camera_info": CameraInfo,
    "points": PointCloud2,
    "stats": PerceptionStats,
}


@dataclass
class TopicStatistics:
    """What arrived on one topic."""

    count: int = 0
    first: float = 0.0
    last: float = 0.0
    size: int = 0
    form: str = ""

    def add(self, message: Any) -> None:
        """Count a message."""
        now = time.monotonic()
        self.first = self.first or now
        self.last = now
        self.count += 1
        self.size = len(message.data) if hasattr(message, "data") else 0
        self.form = describe(message)

    @property
    def rate(self) -> float:
        """Messages per second."""
        return (self.count - 1) / (self.last - self.first) if self.count > 1 else 0.0


class DemoListener:
    """Subscribes to every output and keeps the last frame of which every topic has arrived.

    Attributes:
        seen: by topic, what has arrived since `measure`.
        stats: of the frames since then.
        classes: None until the node is up.
        complete: the last frame of which every topic has arrived.
        complete_count: how many there were.
        preparing: whether the node prepares a backend, as its diagnostics say; None until they do.
    """

    def __init__(self) -> None:
        self.node = rclpy.create_node("demo")
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        self.seen: dict[str, TopicStatistics] = {topic: TopicStatistics() for topic in OUTPUTS}
        self.stats: list[PerceptionStats] = []
        self.classes: SemanticClasses | None = None
        self.complete: dict[str, Any] | None = None
        self.complete_count = 0
        self.preparing: bool | None = None
        self._measuring = False
        self._partial: dict[tuple[int, int], dict[str, Any]] = defaultdict(dict)
        for topic, kind in OUTPUTS.items():
            self.node.create_subscription(kind, topic, lambda message, topic=topic: self._add(topic, message), 10)
        latched = QoSProfile(
            depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL
        )
        self.node.create_subscription(SemanticClasses, "semantic/classes", self._set_classes, latched)
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._set_diagnostics, 10)

    def measure(self) -> None:
        """Count what arrives from now on."""
        self._measuring = True

    def _set_classes(self, message: SemanticClasses) -> None:
        self.classes = message

    def _set_diagnostics(self, message: DiagnosticArray) -> None:
        for pair in (pair for row in message.status for pair in row.values):
            if pair.key == "backend in preparation":
                self.preparing = pair.value == str(True)

    def _add(self, topic: str, message: Any) -> None:
        stamp = (message.header.stamp.sec, message.header.stamp.nanosec)
        parts = self._partial[stamp]
        parts[topic] = message
        if self._measuring:
            self.seen[topic].add(message)
            if topic == "stats":
                self.stats.append(message)
        if len(parts) == len(OUTPUTS):
            self.complete, self.complete_count = parts, self.complete_count + 1
            for old in [key for key in self._partial if key <= stamp]:
                del self._partial[old]

    def spin(self, seconds: float) -> None:
        """Handle messages for a moment."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self._executor.spin_once(timeout_sec=0.05)


def describe(message: Any) -> str:
    """Encoding and size of a message."""
    if isinstance(message, Image):
        return f"{message.encoding} {message.width}x{message.height}"
    if isinstance(message, PointCloud2):
        return f"{' '.join(field.name for field in message.fields)} {message.width}x{message.height}"
    if isinstance(message, CameraInfo):
        return f"fx {message.k[0]:.1f} cx {message.k[2]:.1f} {message.width}x{message.height}"
    return type(message).__name__
