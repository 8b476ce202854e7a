"""A bond with nav2_lifecycle_manager: it learns within seconds that an active node has died, hangs, or has stopped.

The protocol of bond_core, as the nodes of Nav2 use it: both sides publish `bond/msg/Status` on the topic `bond`, under
an id that is the node's name and an instance id of their own. The manager takes the bond for broken when it hears no
heartbeat for its timeout, or one that says `active: false`, and then brings all its nodes down. A node of Nav2, and so
this one, goes on without its manager: it has no timeout, and only ceases to send where the manager says farewell.

    waiting for the manager --(its first heartbeat)--> formed --(its farewell, answered by ours)--> broken
              '---(no manager within CONNECT_TIMEOUT)--> broken          (our farewell)--^

The messages come with Nav2. Where they are not installed there is no bond, and nothing is lost by that.
"""

from __future__ import annotations

import contextlib
import time
import uuid
from enum import Enum
from typing import Any

from rclpy.clock import Clock
from rclpy.duration import Duration
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy

from cinet_core.parameters import parameter

# Relative: the manager, and all nodes that it manages, are in one namespace.
TOPIC = "bond"
# Seconds, as Nav2's nodes have them: how long this side may be silent (the manager goes by its own `bond_timeout`), and
# how long it waits for a manager.
HEARTBEAT_TIMEOUT = 4.0
CONNECT_TIMEOUT = 10.0
# How long the farewell may take to reach the manager, seconds: it then need not wait for the timeout.
FAREWELL_TIMEOUT = 0.1
# As bondcpp: the manager's heartbeats for each of its nodes come on the same topic.
_SENT = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE)
_HEARD = QoSProfile(depth=100, reliability=ReliabilityPolicy.RELIABLE)


def bond_parameter() -> Any:
    """Field of the parameter that Nav2's nodes have for their bond, and its default in their newest release."""
    return parameter(
        0.25,
        "heartbeats to nav2_lifecycle_manager while active, one every so many seconds, where the package bond is "
        "installed (it comes with Nav2); 0: none, which needs `bond_timeout: 0.0` there",
        limits=(0.0, HEARTBEAT_TIMEOUT / 2),
    )


class State(Enum):
    """The state of the bond as seen by the node."""

    WAITING = "waits for a lifecycle manager"
    FORMED = "formed"
    BROKEN = "broken"


def available() -> bool:
    """Return whether the messages of Nav2's bond are installed."""
    try:
        import bond.msg  # noqa: F401
    except ImportError:
        return False
    return True


class Bond:
    """This node's side of a bond, from its making on; for one activation. Served by the node's executor.

    Heartbeats come from the executor's thread: one that hangs lets the manager know.

    Args:
        node: whose name is the bond's id.
        period: between two heartbeats, seconds.
        clock: a steady one, for the timer.

    Attributes:
        state: of the bond.

    Raises:
        ImportError: the messages are not installed; see `available`.
    """

    def __init__(self, node: Node, period: float, clock: Clock) -> None:
        from bond.msg import Status

        self.state = State.WAITING
        self._node = node
        self._clock = clock
        self._status = Status(id=node.get_name(), instance_id=str(uuid.uuid4()))
        self._status.heartbeat_timeout, self._status.heartbeat_period = HEARTBEAT_TIMEOUT, period
        self._manager = ""  # its instance id
        self._give_up_at = time.monotonic() + CONNECT_TIMEOUT
        self._publisher = node.create_publisher(Status, TOPIC, _SENT)
        self._subscription: Any = node.create_subscription(Status, TOPIC, self._hear, _HEARD)
        self._timer: Any = node.create_timer(period, self._beat, clock=clock)

    def close(self) -> None:
        """Break the bond if it is intact, and free everything."""
        if self.state is not State.BROKEN:
            self._send(active=False)
            # What is on its way dies with the publisher. Some middleware cannot tell what has arrived.
            with contextlib.suppress(rclpy_implementation.RCLError):
                self._publisher.wait_for_all_acked(Duration(seconds=FAREWELL_TIMEOUT))
        self._break()
        self._node.destroy_publisher(self._publisher)

    def _beat(self) -> None:
        if self.state is State.WAITING and time.monotonic() > self._give_up_at:
            self._node.get_logger().debug(f"no lifecycle manager within {CONNECT_TIMEOUT:g} s: no more heartbeats")
            self._break()
        else:
            self._send(active=True)

    def _hear(self, message: Any) -> None:
        """Take a message on the topic, of which most are about other nodes, or our own."""
        ours = message.id == self._status.id and message.instance_id != self._status.instance_id
        # of a third that uses our id, such as another node of our name, nothing can be learnt
        if not ours or self.state is State.BROKEN or self._manager not in ("", message.instance_id):
            return
        self._manager = message.instance_id
        if message.active:
            self.state = State.FORMED
        else:
            self._send(active=False)
            self._node.get_logger().info("the lifecycle manager has ended the bond; the node goes on")
            self._break()

    def _send(self, active: bool) -> None:
        self._status.active = active
        self._status.header.stamp = self._clock.now().to_msg()
        self._publisher.publish(self._status)

    def _break(self) -> None:
        """Neither send nor listen any more; the publisher stays, for a farewell on its way."""
        self.state = State.BROKEN
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._node.destroy_timer(self._timer)
            self._subscription = self._timer = None
