"""A robot that stands: nav_msgs/Odometry of one pose at a steady rate on ``odom``, until SIGINT.

``python -m scripts.benchmarks.nodes.odometry --rate 20``
"""

from __future__ import annotations

import argparse
import sys

import rclpy
from nav_msgs.msg import Odometry
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from cinet_ros.stop_request import StopRequest
from scripts.benchmarks.nodes.camera import play

QUEUE_DEPTH = 10


def main() -> int:
    """Send until SIGINT."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, required=True, help="poses a second")
    options = parser.parse_args()
    stop = StopRequest()
    stop.listen()
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = Node("odometry")
    publisher = node.create_publisher(Odometry, "odom", QUEUE_DEPTH)
    message = Odometry(child_frame_id="base_link")
    message.header.frame_id = "odom"
    message.pose.pose.orientation.w = 1.0

    def send() -> None:
        message.header.stamp = node.get_clock().now().to_msg()
        publisher.publish(message)

    print("sending", flush=True)
    play([(options.rate, send)], stop)
    node.destroy_node()
    rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
