"""Takes topics of the node as serialised bytes, as a recorder does, until SIGINT.

``python -m scripts.benchmarks.nodes.subscriber --topics points,semantic/image_raw``
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from cinet_core.messages.topics import STATS
from cinet_ros.frame_messages import MESSAGE_TYPES
from cinet_ros.msg import PerceptionStats
from cinet_ros.stop_request import StopRequest

QUEUE_DEPTH = 10
POLL_SECONDS = 0.1


def main() -> int:
    """Subscribe, and forget what comes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--topics", required=True, help="relative names, with commas between them")
    parser.add_argument("--prefix", default="", help="of all these names")
    options = parser.parse_args()
    stop = StopRequest()
    stop.listen()
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = Node("subscriber")
    for topic in options.topics.split(","):
        kind: Any = PerceptionStats if topic == STATS else MESSAGE_TYPES[topic]
        node.create_subscription(kind, options.prefix + topic, lambda serialized: None, QUEUE_DEPTH, raw=True)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    print("listening", flush=True)
    while not stop():
        executor.spin_once(timeout_sec=POLL_SECONDS)
    node.destroy_node()
    rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
