"""Subscriptions of one camera. They exist while its outputs are subscribed, with the publisher's reliability."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from rcl_interfaces.msg import ParameterDescriptor
from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSPolicyKind, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from cinet_core.messages.fields import stamp_of

# Enough to pair an image with its camera_info while either is late by a few frames.
REMEMBERED_CAMERA_INFOS = 32

# Images are large and only the latest counts; one more covers the moment in which one is taken.
IMAGE_QUEUE_DEPTH = 2

# Left to rclpy's qos_overrides parameters; reliability is not, because theirs knows no "auto".
OVERRIDABLE = (QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH)


class CameraInput:
    """Image and camera_info of one camera.

    Args:
        node: that subscribes.
        prefix: of the relative topic names, "" or "front/".
        compressed: read ``image/compressed`` instead of ``image``.
        reliability: auto, reliable or best_effort.
        on_image: called with each image message on the executor's thread.
    """

    def __init__(
        self, node: Node, prefix: str, compressed: bool, reliability: str, on_image: Callable[[Any], None]
    ) -> None:
        self._node = node
        self._on_image = on_image
        self._image_type = CompressedImage if compressed else Image
        # rclpy is given these names, not the resolved ones, which it would remap once more.
        self._image_name = f"{prefix}image/compressed" if compressed else f"{prefix}image"
        self._info_name = f"{prefix}camera_info"
        self.image_topic = node.resolve_topic_name(self._image_name)
        self.info_topic = node.resolve_topic_name(self._info_name)
        self._forced = {
            self._image_name: self._forced_reliability(self.image_topic, reliability),
            self._info_name: self._forced_reliability(self.info_topic, reliability),
        }
        self.wanted = False
        self._subscriptions: dict[str, Any] = {}
        self._reliability: dict[str, ReliabilityPolicy] = {}
        self._infos: OrderedDict[int, CameraInfo] = OrderedDict()
        self._lock = threading.Lock()

    def _forced_reliability(self, topic: str, parameter: str) -> ReliabilityPolicy | None:
        """Reliability the user demands: by the standard qos_overrides parameter, else by our own; None for auto."""
        name = f"qos_overrides.{topic}.subscription.reliability"
        if not self._node.has_parameter(name):
            # as rclpy declares its own qos_overrides: with a subscription there it would change nothing
            descriptor = ParameterDescriptor(
                description=f"reliability of the subscription to {topic}: auto, reliable or best_effort",
                read_only=True,
                dynamic_typing=True,
            )
            self._node.declare_parameter(name, "auto", descriptor)
        value = str(self._node.get_parameter(name).value)
        value = parameter if value == "auto" else value
        known = {
            "auto": None,
            "reliable": ReliabilityPolicy.RELIABLE,
            "best_effort": ReliabilityPolicy.BEST_EFFORT,
        }
        if value not in known:
            raise ValueError(f"{name} = {value!r} is not one of {', '.join(known)}")
        return known[value]

    def publishers(self) -> int:
        """Return the discovered publishers of the image topic."""
        return len(self._node.get_publishers_info_by_topic(self._image_name))

    def update(self, wanted: bool) -> None:
        """Subscribe, unsubscribe, or change the reliability as needed. Call it periodically.

        A topic is subscribed to as soon as it has a publisher, whose reliability is known then: to subscribe before and
        again after would lose the first messages.
        """
        self.wanted = wanted
        if not wanted:
            self.close()
            return
        self._subscribe(self._info_name, CameraInfo, self._remember_info, depth=REMEMBERED_CAMERA_INFOS)
        self._subscribe(self._image_name, self._image_type, self._on_image, depth=IMAGE_QUEUE_DEPTH)

    def close(self) -> None:
        """Unsubscribe and reset the calibration."""
        self.wanted = False
        for subscription in self._subscriptions.values():
            self._node.destroy_subscription(subscription)
        self._subscriptions.clear()
        self._reliability.clear()
        with self._lock:
            self._infos.clear()

    def _subscribe(self, topic: str, kind: type, callback: Callable[[Any], None], depth: int) -> None:
        reliability = self._forced[topic] or self._offered_reliability(topic)
        if reliability is None or self._reliability.get(topic) == reliability:
            return
        if topic in self._subscriptions:
            self._node.destroy_subscription(self._subscriptions.pop(topic))
        profile = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=depth, reliability=reliability)
        self._subscriptions[topic] = self._node.create_subscription(
            kind, topic, callback, profile, qos_overriding_options=QoSOverridingOptions(OVERRIDABLE)
        )
        self._reliability[topic] = reliability

    def _offered_reliability(self, topic: str) -> ReliabilityPolicy | None:
        """What every publisher can serve: reliable only where all of them are. None while there is no publisher."""
        offered = [info.qos_profile.reliability for info in self._node.get_publishers_info_by_topic(topic)]
        if not offered:
            return None
        if all(policy == ReliabilityPolicy.RELIABLE for policy in offered):
            return ReliabilityPolicy.RELIABLE
        return ReliabilityPolicy.BEST_EFFORT

    def _remember_info(self, message: CameraInfo) -> None:
        with self._lock:
            stamp = stamp_of(message)
            self._infos[stamp] = message
            self._infos.move_to_end(stamp)
            while len(self._infos) > REMEMBERED_CAMERA_INFOS:
                self._infos.popitem(last=False)

    def camera_info(self, stamp: int) -> CameraInfo | None:
        """Return the camera_info of exactly this stamp, else the latest one, else None. Thread-safe."""
        with self._lock:
            if stamp in self._infos:
                return self._infos[stamp]
            return next(reversed(self._infos.values())) if self._infos else None
