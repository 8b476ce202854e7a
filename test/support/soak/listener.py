"""Subscribers of long runs: one notes the stamps of the node's outputs and its statistics, one takes images beside
the node. ``python -m soak.listener`` writes a .npz on SIGINT.
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image
from soak.camera import BESIDE

from cinet_ros.stop_request import StopRequest
from scripts.benchmarks.nodes.listener import FRAME_STATISTICS, OutputListener
from scripts.benchmarks.nodes.listener import stamp_of as stamp_of
from scripts.benchmarks.nodes.phases import Phase

# What a mapping stack takes from the node.
OUTPUTS = Phase(
    "mapping",
    ("depth_registered/image_rect", "depth_registered/camera_info", "semantic/image_raw", "points"),
    math.inf,
)
# The node asks for images like this.
IMAGE_QUEUE_DEPTH = 2


class Sink(Node):
    """Takes images as the node does, and forgets them."""

    def __init__(self) -> None:
        super().__init__("sink")
        self.create_subscription(Image, BESIDE, lambda message: None, IMAGE_QUEUE_DEPTH)


def save(listener: OutputListener, path: Path) -> None:
    """Write all stamps as ``stamps/TOPIC`` (ns), and of `stats` the names in `FRAME_STATISTICS`."""
    stamps = {f"stamps/{topic}": np.asarray(listener.stamps.get(topic, []), np.int64) for topic in OUTPUTS.expected}
    np.savez(path, **stamps, **{name: np.asarray(listener.stats[name]) for name in FRAME_STATISTICS})


def main() -> int:
    """Listen until SIGINT."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, help=".npz; without it only images beside the node are taken")
    options = parser.parse_args()
    stop = StopRequest()
    stop.listen()
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = Sink() if options.output is None else OutputListener()
    if isinstance(node, OutputListener):
        node.take(OUTPUTS)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    print("listening", flush=True)
    while not stop():
        executor.spin_once(timeout_sec=0.2)
    if isinstance(node, OutputListener):
        save(node, options.output)
    node.destroy_node()
    rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
