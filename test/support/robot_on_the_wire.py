"""A robot in the synthetic room, as the mapping node knows it: its frames, its odometry, and the node's answers."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from nav_msgs.msg import Odometry
from node_in_process import values_of
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from room_on_the_wire import LABEL_SET, MESSAGE_TYPES, SECOND, RoomOnTheWire
from std_srvs.srv import Trigger

from cinet_ros.conversions.labels import semantic_classes_message

LATCHED = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class Robot:
    """Sends frames and odometry to the node, and asks it what became of them.

    Args:
        wire: of the test.
    """

    def __init__(self, wire: Any) -> None:
        self._wire = wire
        self.room = RoomOnTheWire()
        # A long way after the views: no test sees the poses of another.
        self._next_start = self.room.start + 1000 * SECOND
        classes = semantic_classes_message(LABEL_SET)
        self._classes = wire.node.create_publisher(type(classes), "semantic/classes", LATCHED)
        self._classes.publish(classes)
        self._publishers = {
            topic: wire.node.create_publisher(kind, topic, 50)
            for topic, kind in {**MESSAGE_TYPES, "odom": Odometry}.items()
        }

    def connect(self) -> None:
        """Wait until the node subscribes to everything."""
        for topic, publisher in {**self._publishers, "semantic/classes": self._classes}.items():
            self._wire.spin_until(lambda p=publisher: p.get_subscription_count() > 0, f"subscriber of {topic}")
        self._wire.spin_for(0.5)

    def send(self, messages: dict[str, Any]) -> None:
        """Publish messages by topic."""
        for topic, message in messages.items():
            self._publishers[topic].publish(message)

    def send_view(self, index: int, stamp: int | None = None) -> None:
        """Publish a view, at another stamp where one is given."""
        self.send(self.room.messages(self.room.views[index], stamp))

    def send_odometry(self, *stamps: int, moved: float = 0.0) -> None:
        """Publish where the base is at these stamps."""
        for stamp in stamps:
            self.send({"odom": self.room.odometry(stamp, moved)})

    def later(self) -> int:
        """A stamp that is far from all that were used."""
        self._next_start += 100 * SECOND
        return self._next_start

    def frames(self) -> dict[str, int]:
        """Counts of the frames so far."""
        return counts_of(self._wire.diagnosis("mapping: frames"))

    def poses(self) -> dict[str, int]:
        """Counts of the poses so far."""
        return counts_of(self._wire.diagnosis("mapping: poses"))

    def wait_for(self, counted: Callable[[], dict[str, int]], counter: str, value: int) -> dict[str, int]:
        """Wait until a count has a value; return all."""
        deadline = time.monotonic() + 30.0
        while (now := counted()).get(counter, 0) != value:
            assert time.monotonic() < deadline, f"{counter} is not {value}: {now}"
        return now

    def call(self, service: str) -> Any:
        """The answer of one of the node's services."""
        return self._wire.call(Trigger, f"/mapping/{service}", Trigger.Request())


def counts_of(status: DiagnosticStatus) -> dict[str, int]:
    return {key: int(value) for key, value in values_of(status).items() if value.isdigit()}
