"""Subscriptions of anchors. They exist while an anchor that needs them is on and somebody wants frames."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from typing import Any

from nav_msgs.msg import Odometry
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CameraInfo, Image, Imu, LaserScan, PointCloud2

from cinet_core.correction.settings import CorrectionSettings
from cinet_core.messages.fields import stamp_of
from cinet_ros.anchoring.parameters import AnchorSettings
from cinet_ros.anchoring.poses import CameraPoses
from cinet_ros.mapping.transforms import LazyTransforms

__all__ = ["DEPTH", "DEPTH_INFO", "IMU", "ODOMETRY", "POINTS", "SCAN", "TOPICS", "AnchorInputs"]

ODOMETRY, SCAN, POINTS, IMU = "anchor/odom", "anchor/scan", "anchor/points", "anchor/imu"
DEPTH, DEPTH_INFO = "anchor/depth/image", "anchor/depth/camera_info"

TOPICS: Mapping[str, tuple[type, int]] = {
    ODOMETRY: (Odometry, 200),
    SCAN: (LaserScan, 5),
    DEPTH: (Image, 2),
    DEPTH_INFO: (CameraInfo, 5),
    POINTS: (PointCloud2, 2),
    IMU: (Imu, 50),
}
"""Topics of all cameras of the node: type, and how many messages may wait."""

KEPT = 5
"""Messages of each sensor that are kept: the one nearest in time to an image is used."""

KEPT_OF_IMU = 400
"""The same of an inertial unit, which sends hundreds a second: those of as long as a network takes."""

MAX_AGE = 2.0
"""Seconds: how far a sensor's message may be from the image where the motion in between is known."""


class AnchorInputs:
    """What came on the anchors' topics. Thread-safe, but for `update` and `close`.

    Args:
        node: that subscribes.
        settings: of the node; those that matter here do not change while it runs.
        transforms: that the node has, or None for some of its own.

    Attributes:
        poses: of the camera.
    """

    def __init__(self, node: Node, settings: AnchorSettings, transforms: LazyTransforms | None = None) -> None:
        self._node = node
        self.poses = CameraPoses(node, settings, transforms)
        self._odometry = settings.anchor_poses == "odometry"
        self._subscriptions: dict[str, Any] = {}
        self._messages: dict[str, deque[Any]] = {
            topic: deque(maxlen=KEPT_OF_IMU if topic == IMU else KEPT) for topic in TOPICS
        }
        self._received: Counter[str] = Counter()
        self._last: dict[str, float] = {}
        self._refused: Counter[str] = Counter()
        self._refusal = ""
        self._lock = threading.Lock()

    def update(self, correction: CorrectionSettings, wanted: bool, imu: bool = False) -> None:
        """Subscribe to what is needed and from nothing else. Call it periodically.

        Args:
            correction: what is to be done to frames.
            wanted: whether somebody wants frames.
            imu: whether an inertial unit says where up is.
        """
        needed = needed_topics(correction, self._odometry, imu) if wanted else frozenset()
        if wanted and correction.active:
            self.poses.prepare()
        for topic in self._subscriptions.keys() - needed:
            self._node.destroy_subscription(self._subscriptions.pop(topic))
            with self._lock:
                self._messages[topic].clear()
            if topic == ODOMETRY:
                self.poses.clear()
        for topic in needed - self._subscriptions.keys():
            self._subscribe(topic)

    def close(self) -> None:
        """Unsubscribe, and forget what came."""
        self.update(CorrectionSettings(), wanted=False)
        with self._lock:
            self._received.clear()
            self._last.clear()
            self._refused.clear()

    def _subscribe(self, topic: str) -> None:
        kind, depth = TOPICS[topic]
        # Best effort, which every publisher can serve: drivers of sensors offer no more, and a lost message is one of
        # many.
        profile = QoSProfile(depth=depth, reliability=ReliabilityPolicy.BEST_EFFORT)
        options = QoSOverridingOptions.with_default_policies()
        self._subscriptions[topic] = self._node.create_subscription(
            kind, topic, self._callback(topic), profile, qos_overriding_options=options
        )

    def _callback(self, topic: str) -> Callable[[Any], None]:
        def receive(message: Any) -> None:
            refusal = self.poses.receive(message) if topic == ODOMETRY else None
            with self._lock:
                self._received[topic] += 1
                self._last[topic] = time.monotonic()
                if refusal is not None:
                    self._refused[topic] += 1
                    self._refusal = refusal
                if topic != ODOMETRY:
                    self._messages[topic].append(message)

        return receive

    def nearest(self, topic: str, stamp: int, used: int | None) -> Any | None:
        """Return the message of a sensor that is nearest in time to an image, at most `MAX_AGE` away.

        Args:
            topic: one of `TOPICS`.
            stamp: of the image, nanoseconds.
            used: stamp of a message that was used already, and is no news; None = none was.
        """
        with self._lock:
            messages = [message for message in self._messages[topic] if stamp_of(message) != used]
        best = min(messages, key=lambda message: abs(stamp_of(message) - stamp), default=None)
        return best if best is not None and abs(stamp_of(best) - stamp) <= MAX_AGE * 1e9 else None

    def latest(self, topic: str) -> Any | None:
        """Return the newest message of a topic, or None."""
        with self._lock:
            return self._messages[topic][-1] if self._messages[topic] else None

    def refusal(self) -> str:
        """Why a message of odometry was refused last; empty where none was."""
        with self._lock:
            return self._refusal

    def values(self) -> dict[str, str]:
        """Return for each topic that is subscribed to how many messages came, and the age of the last one."""
        now = time.monotonic()
        with self._lock:
            return {
                topic: f"{self._received[topic]} received, "
                + (f"{self._refused[topic]} refused, " if self._refused[topic] else "")
                + (f"the last {now - self._last[topic]:.1f} s ago" if topic in self._last else "none yet")
                for topic in self._subscriptions
            }

    def silent(self) -> list[str]:
        """Return the full names of topics that are subscribed to and have no publisher."""
        return [
            self._node.resolve_topic_name(topic)
            for topic in list(self._subscriptions)
            if not self._node.get_publishers_info_by_topic(topic)
        ]


def needed_topics(correction: CorrectionSettings, odometry: bool, imu: bool = False) -> frozenset[str]:
    """The topics that a correction makes use of.

    Args:
        correction: what is to be done to frames.
        odometry: whether poses come as messages, and not by TF.
        imu: whether an inertial unit says where up is.
    """
    topics = set()
    if odometry and (correction.needs_poses or correction.uses("odometry")):
        topics.add(ODOMETRY)
    if correction.uses("scan"):
        topics.add(SCAN)
    if correction.uses("depth"):
        topics |= {DEPTH, DEPTH_INFO, POINTS}
    if imu and correction.uses("floor"):
        topics.add(IMU)
    return frozenset(topics)
