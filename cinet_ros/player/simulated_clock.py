"""Publishes the time of the source on /clock, for nodes with use_sim_time."""

from __future__ import annotations

from rclpy.node import Node
from rclpy.qos import QoSProfile
from rosgraph_msgs.msg import Clock

# Between two frames time goes on in steps this long (seconds of wall time), for timers of the nodes that listen.
TICK_SECONDS = 0.01


class SimulatedClock:
    """Publishes the time of the frame that is about to be sent, and between frames a time that moves towards it.

    Args:
        node: that publishes.
    """

    def __init__(self, node: Node) -> None:
        self._publisher = node.create_publisher(Clock, "/clock", QoSProfile(depth=1))
        self._from_ns = self._to_ns = 0
        self._started = False

    def head_for(self, time_ns: int) -> None:
        """Set the time of the next frame. A time before the present one takes effect at once."""
        self._from_ns = self._to_ns if self._started and time_ns >= self._to_ns else time_ns
        self._to_ns = time_ns
        self._started = True

    def publish(self, progress: float) -> None:
        """Publish the time ``progress`` (0..1, clipped) of the way from the previous frame to the next.

        Before the first frame there is no time, and nothing is published.
        """
        if not self._started:
            return
        share = min(max(progress, 0.0), 1.0)
        time_ns = self._from_ns + int((self._to_ns - self._from_ns) * share)
        message = Clock()
        message.clock.sec, message.clock.nanosec = divmod(time_ns, 1_000_000_000)
        self._publisher.publish(message)
