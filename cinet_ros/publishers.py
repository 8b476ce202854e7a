"""Publishers of one camera. An output is built only while it has subscribers, and sent only by the current worker."""

from __future__ import annotations

import copy
import math
import threading
import time
from collections.abc import Collection, Mapping
from typing import Any

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions

from cinet_core.label_sets import LabelSet
from cinet_core.messages.result import Result
from cinet_core.messages.topics import COMPRESSED, STATS, topics_of
from cinet_core.model.config import DEFAULT_TASKS
from cinet_ros.anchoring.inputs import SCAN as ANCHOR_SCAN
from cinet_ros.conversions.labels import label_info_message, semantic_classes_message
from cinet_ros.frame_messages import MESSAGE_TYPES, RosMessageBuilder
from cinet_ros.msg import PerceptionStats
from cinet_ros.navigation.topics import DETECTIONS, MARKERS, NAVIGATION, SCAN, message_types
from cinet_ros.parameters import Settings
from cinet_ros.serialized import send

OUTPUT_QOS = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.VOLATILE)
LATCHED_QOS = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL)

# Of a look at all subscribers, seconds: a little longer than the node's period.
LOOK_LASTS = 0.3

# A publisher waits for a reliable subscriber up to 0.1 s by default; one that takes longer hangs itself.
PUBLISH_TIMEOUT = 1.0


class PublishGate:
    """A gate through which one worker publishes. Once it is shut, nothing of that worker is published."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._shut = False

    @property
    def is_shut(self) -> bool:
        """Whether `shut` was called."""
        return self._shut

    def publish(self, publisher: Any, message: Any) -> bool:
        """Publish a message, or return False if the gate is shut."""
        with self._lock:
            if self._shut:
                return False
            send(publisher, message)
        return True

    def shut(self, timeout: float = PUBLISH_TIMEOUT) -> None:
        """Shut the gate. Waits for a message that is being published, unless that hangs. Thread-safe."""
        self._shut = True
        if self._lock.acquire(timeout=timeout):
            self._lock.release()


class CameraOutputs:
    """Publishers of one camera.

    Args:
        node: that publishes.
        prefix: of the relative topic names, "" or "front/".
        label_set: of the model.
        tasks: of the model, which decide what there is to publish.

    Attributes:
        held: why `scan` is left out, see `hold_back`; empty where it is not.
    """

    def __init__(self, node: Node, prefix: str, label_set: LabelSet, tasks: Collection[str] = DEFAULT_TASKS) -> None:
        self._node = node
        self._prefix = prefix
        self._all: list[Any] = []
        self._seen: tuple[float, frozenset[str]] = (-math.inf, frozenset())  # when, steady seconds; `subscribed`
        self.held = ""
        try:
            kinds = {topic: MESSAGE_TYPES[topic] for topic in topics_of(tasks)}
            navigation = self._navigation_types()
            first = [topic for topic in kinds if topic not in COMPRESSED]
            # Obstacles are not to wait for what takes the longest to make.
            kinds = {topic: kinds[topic] for topic in first} | navigation | kinds
            self._publishers = {topic: self._publisher(kind, topic, OUTPUT_QOS) for topic, kind in kinds.items()}
            self._stats = self._publisher(PerceptionStats, STATS, OUTPUT_QOS)
            self._counted = {**self._publishers, STATS: self._stats}
            self._latch("semantic/classes", semantic_classes_message(label_set))
            self._latch_label_info(label_set)
        except Exception:  # such as a QoS override that cannot be: no half of them shall stay on the wire
            self.close()
            raise

    def _publisher(self, kind: type, topic: str, qos: QoSProfile) -> Any:
        # A copy: rclpy writes the overrides of this topic into the profile that it is given.
        publisher = self._node.create_publisher(
            kind,
            self._prefix + topic,
            copy.copy(qos),
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
        )
        self._all.append(publisher)
        return publisher

    def _latch(self, topic: str, message: Any) -> None:
        self._publisher(type(message), topic, LATCHED_QOS).publish(message)

    def _latch_label_info(self, label_set: LabelSet) -> None:
        try:
            message = label_info_message(label_set)
        except ModuleNotFoundError:  # vision_msgs comes with a distribution only
            self._node.get_logger().info("semantic/label_info is not published: vision_msgs is not installed")
        else:
            self._latch("semantic/label_info", message)

    def _navigation_types(self) -> dict[str, type]:
        kinds = message_types()
        if DETECTIONS not in kinds:
            missing, instead = self._prefix + DETECTIONS, self._prefix + MARKERS
            self._node.get_logger().info(f"{missing} is not published, only {instead}: vision_msgs is not installed")
        return kinds

    def hold_back(self) -> None:
        """See whether somebody else publishes our `scan`, as a lidar's driver may: then ours stays away from it.

        So it does where our own input `anchor/scan` is that topic. Robots with a lidar are no fault: the log says it
        once, and `held` while it lasts. Call it periodically.
        """
        topic = self._publishers[SCAN].topic_name
        others = self._node.count_publishers(topic) > 1
        own_input = self._node.resolve_topic_name(ANCHOR_SCAN) == topic
        why = f"somebody else publishes {topic}" if others else f"anchor/scan is read from {topic}" if own_input else ""
        if why and why != self.held:
            self._node.get_logger().info(f"{why}: our scan is left out; to have both, remap scan:=obstacles/scan")
        self.held = why

    def subscribed(self) -> frozenset[str]:
        """Return the topics that have subscribers, without prefix and without the latched ones."""
        counted = self._counted
        return frozenset(topic for topic, publisher in counted.items() if publisher.get_subscription_count() > 0)

    def look(self) -> None:
        """Ask all publishers for subscribers, which takes a tenth of a millisecond that a frame need not wait for."""
        self._seen = time.monotonic(), self.subscribed()

    def _still_subscribed(self) -> frozenset[str]:
        """Of the topics that `look` found the subscribed ones; where it was not called just now, all of them."""
        looked, topics = self._seen
        if time.monotonic() - looked > LOOK_LASTS:
            return self.subscribed()
        counted = self._counted
        return frozenset(topic for topic in topics if topic in counted and counted[topic].get_subscription_count() > 0)

    def wanted(self, settings: Settings) -> frozenset[str]:
        """Return the topics of `subscribed` to build for a frame, or none if no frame needs to be processed.

        After a `look`, who has subscribed since then waits for the next one.

        That is so while the node or all these outputs are switched off, and while only the statistics are left, which
        would tell of nothing but the work that they ask for.
        """
        if not settings.enabled:
            return frozenset()
        topics = self._still_subscribed() - set(settings.disabled_outputs) - ({SCAN} if self.held else set())
        return frozenset() if topics <= {STATS} else topics

    def publish(
        self, result: Result, wanted: frozenset[str], settings: Settings, messages: RosMessageBuilder, gate: PublishGate
    ) -> Mapping[str, float]:
        """Publish the wanted outputs of a frame, unless the gate is shut.

        Returns:
            Seconds of the stages ``build`` and ``publish``, of ``compress`` where something was compressed, and of
            ``navigate`` where something was made for navigation.

        Args:
            result: the frame.
            wanted: as `wanted` returned it.
            settings: current ones.
            messages: of this camera and of the thread that calls.
            gate: of the worker that calls.
        """
        seconds = {"build": 0.0, "publish": 0.0}
        for topic, publisher in self._publishers.items():
            if topic not in wanted:
                continue
            started = time.perf_counter()
            message = messages.build(topic, result, settings)
            built = time.perf_counter()
            stage = "compress" if topic in COMPRESSED else "navigate" if topic in NAVIGATION else "build"
            seconds[stage] = seconds.get(stage, 0.0) + built - started
            if message is None:
                continue
            if not gate.publish(publisher, message):
                break
            seconds["publish"] += time.perf_counter() - built
        return seconds

    def publish_stats(self, stats: PerceptionStats, gate: PublishGate) -> None:
        """Publish the statistics of a frame, unless the gate is shut."""
        gate.publish(self._stats, stats)

    def close(self) -> None:
        """Destroy the publishers."""
        # Forgotten first: a worker left behind may look at them still.
        publishers, self._all, self._publishers, self._counted = self._all, [], {}, {}
        for publisher in publishers:
            self._node.destroy_publisher(publisher)
