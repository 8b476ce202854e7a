"""A ROS node of a test's own, which talks over Fast DDS to the nodes that are tested."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rcl_interfaces.srv import SetParameters
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image

from cinet_ros.msg import PerceptionStats

# Generous: two cores may be importing torch in several processes at once.
START_TIMEOUT = 180.0
MESSAGE_TIMEOUT = 20.0
# A subscription that this side has matched may need this long to be matched on the other.
SETTLE_SECONDS = 0.25


class Wire:
    """A ROS node of the test's own: publishes camera images and collects what comes back."""

    def __init__(self, namespace: str = "") -> None:
        # a context of its own: tests that run a node's main() in this process need the default one
        self._context = Context()
        rclpy.init(context=self._context)
        self.node: Node = rclpy.create_node("wire", namespace=namespace, context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self.messages: dict[str, list[Any]] = defaultdict(list)
        self._subscriptions: dict[str, Any] = {}
        self._publishers: dict[str, Any] = {}
        self._clients: dict[str, Any] = {}
        # Publishers whose subscribers have had the time to match them, since the last change of subscriptions.
        self._settled: set[Any] = set()

    def subscribe(self, topic: str, kind: type, *, latched: bool = False) -> None:
        """Collect a topic; a second call changes nothing."""
        if topic in self._subscriptions:
            return
        self._settled.clear()
        durability = DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE
        profile = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE, durability=durability)
        subscription = self.node.create_subscription(kind, topic, self.messages[topic].append, profile)
        self._subscriptions[topic] = subscription
        self.spin_until(lambda: subscription.get_publisher_count() > 0, f"publisher of {topic}")

    def subscribe_stats(self, prefix: str = "") -> None:
        """Collect the statistics of frames, and an output, without which no frame would be worked on."""
        self.subscribe(f"{prefix}semantic/image_raw", Image)
        self.subscribe(f"{prefix}stats", PerceptionStats)

    def unsubscribe_all(self) -> None:
        """Stop collecting and forget what was collected."""
        for subscription in self._subscriptions.values():
            self.node.destroy_subscription(subscription)
        self._subscriptions.clear()
        self._settled.clear()
        self.messages.clear()

    def publisher(self, topic: str, kind: type) -> Any:
        """The (one) reliable publisher of a topic."""
        if topic not in self._publishers:
            self._publishers[topic] = self.node.create_publisher(kind, topic, 5)
        return self._publishers[topic]

    def spin_until(self, condition: Callable[[], bool], what: str, timeout: float = MESSAGE_TIMEOUT) -> None:
        """Handle messages until a condition holds."""
        deadline = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < deadline, f"no {what} within {timeout} s"
            self._executor.spin_once(timeout_sec=0.05)

    def spin_for(self, seconds: float) -> None:
        """Handle messages for a while."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self._executor.spin_once(timeout_sec=0.02)

    def exchange(self, image: Any, info: CameraInfo | None, topics: list[str], prefix: str = "") -> dict[str, Any]:
        """Send one image with its camera_info and return what was published for its stamp on every topic."""
        image_topic = f"{prefix}image" if isinstance(image, Image) else f"{prefix}image/compressed"
        images, infos = self.publisher(image_topic, type(image)), self.publisher(f"{prefix}camera_info", CameraInfo)
        self.settle(images, *([infos] if info is not None else []))
        if info is not None:
            infos.publish(info)
            self.spin_for(0.05)  # the two topics are not ordered against each other
        images.publish(image)
        self.spin_until(
            lambda: all(any(same_stamp(item, image) for item in self.messages[topic]) for topic in topics),
            f"answer on all of {topics} (have { ({key: len(value) for key, value in self.messages.items()}) })",
        )
        return {topic: next(item for item in self.messages[topic] if same_stamp(item, image)) for topic in topics}

    def settle(self, *publishers: Any) -> None:
        """Wait until the node subscribes to what these publish, and has matched them and this side's subscriptions."""
        if self._settled.issuperset(publishers) and all(item.get_subscription_count() for item in publishers):
            return
        topics = [item.topic_name for item in publishers]
        self.spin_until(lambda: all(item.get_subscription_count() for item in publishers), f"subscribers of {topics}")
        self.spin_for(SETTLE_SECONDS)
        self._settled.update(publishers)

    def call(self, kind: type, service: str, request: Any, timeout: float = MESSAGE_TIMEOUT) -> Any:
        """Call a service of another node; return its answer."""
        if service not in self._clients:
            self._clients[service] = self.node.create_client(kind, service)
            self.spin_until(self._clients[service].service_is_ready, service, START_TIMEOUT)
            self.spin_for(2 * SETTLE_SECONDS)  # an answer is lost if the server has not matched its reader yet
        client = self._clients[service]
        self.spin_until(client.service_is_ready, service, START_TIMEOUT)
        future = client.call_async(request)
        self.spin_until(future.done, f"answer of {service}", timeout)
        return future.result()

    def set_parameters(self, node_name: str, **values: Any) -> list[Any]:
        """Set parameters of another node; return the results."""
        request = SetParameters.Request()
        request.parameters = [Parameter(key, value=value).to_parameter_msg() for key, value in values.items()]
        return list(self.call(SetParameters, f"{node_name}/set_parameters", request).results)

    def diagnosis(self, part: str, timeout: float = MESSAGE_TIMEOUT) -> DiagnosticStatus:
        """The next row of /diagnostics about a part of a node, such as "perception: model"."""
        rows: list[DiagnosticStatus] = []
        self.subscribe("/diagnostics", DiagnosticArray)
        self.messages["/diagnostics"].clear()

        def found() -> bool:
            rows.extend(row for array in self.messages["/diagnostics"] for row in array.status if row.name == part)
            self.messages["/diagnostics"].clear()
            return bool(rows)

        self.spin_until(found, f"diagnostics of {part}", timeout)
        return rows[-1]

    def diagnosis_that_says(self, text: str) -> DiagnosticStatus:
        """The first row of /diagnostics, of those that were collected or of the next, whose message has a text."""
        self.subscribe("/diagnostics", DiagnosticArray)

        def find() -> DiagnosticStatus | None:
            every = (status for array in self.messages["/diagnostics"] for status in array.status)
            return next((status for status in every if text in status.message), None)

        self.spin_until(lambda: find() is not None, f"diagnostic with {text!r}")
        found = find()
        assert found is not None
        return found

    def close(self) -> None:
        """Leave the wire."""
        self._executor.shutdown()
        self.node.destroy_node()
        self._context.try_shutdown()


def same_stamp(one: Any, other: Any) -> bool:
    """Whether two messages carry exactly the same stamp."""
    return one.header.stamp == other.header.stamp
