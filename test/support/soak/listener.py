"""Subscribers of long runs: one that takes the node's outputs and notes their stamps and figures, one that takes images
beside the node. ``python -m soak.listener`` writes a .npz on SIGINT.
"""

from __future__ import annotations

import argparse
import array
import signal
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from soak.camera import BESIDE

from cinet_ros.msg import PerceptionStats

# What a mapping stack takes from the node.
OUTPUTS: dict[str, type] = {
    "depth_registered/image_rect": Image,
    "depth_registered/camera_info": CameraInfo,
    "semantic/image_raw": Image,
    "points": PointCloud2,
}
STATS = ("arrival", "receive_latency", "latency", "received", "used", "dropped")
QUEUE_DEPTH = 10
# The node asks for images like this.
IMAGE_QUEUE_DEPTH = 2
# In front of a message on the wire: its byte order (the second byte) and padding.
_ENCAPSULATION_BYTES = 4


class Listener(Node):
    """Takes every output; notes all stamps, and of `stats` the figures."""

    def __init__(self) -> None:
        super().__init__("listener")
        self.stamps = {topic: array.array("q") for topic in (*OUTPUTS, "stats")}
        self.stats = {name: array.array("d") for name in STATS}
        for topic, kind in OUTPUTS.items():
            self.create_subscription(kind, topic, self._noting(topic), QUEUE_DEPTH, raw=True)
        self.create_subscription(PerceptionStats, "stats", self._note_stats, QUEUE_DEPTH)

    def _noting(self, topic: str) -> Callable[[bytes], None]:
        def note(serialized: bytes) -> None:
            self.stamps[topic].append(stamp_of(serialized))

        return note

    def _note_stats(self, message: PerceptionStats) -> None:
        self.stamps["stats"].append(message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec)
        counts = (message.frames_received, message.frames_used, message.frames_dropped)
        values = (time.monotonic(), message.receive_latency, message.latency, *counts)
        for name, value in zip(STATS, values, strict=True):
            self.stats[name].append(value)

    def save(self, path: Path) -> None:
        """Write all as ``stamps/TOPIC`` (ns) and the names in `STATS`."""
        stamps = {f"stamps/{topic}": np.asarray(values, dtype=np.int64) for topic, values in self.stamps.items()}
        np.savez(path, **stamps, **{name: np.asarray(values) for name, values in self.stats.items()})


class Sink(Node):
    """Takes images as the node does, and forgets them."""

    def __init__(self) -> None:
        super().__init__("sink")
        self.create_subscription(Image, BESIDE, lambda message: None, IMAGE_QUEUE_DEPTH)


def stamp_of(serialized: bytes) -> int:
    """Stamp in nanoseconds of a serialized message that begins with a header; large ones are not worth unpacking."""
    order = "<" if serialized[1] & 1 else ">"
    seconds, nanoseconds = struct.unpack_from(f"{order}iI", serialized, _ENCAPSULATION_BYTES)
    return int(seconds * 1_000_000_000 + nanoseconds)


def main() -> int:
    """Listen until SIGINT."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, help=".npz; without it only images beside the node are taken")
    options = parser.parse_args()
    stop = False

    def request_stop(*_: object) -> None:
        nonlocal stop
        stop = True

    signal.signal(signal.SIGINT, request_stop)
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = Sink() if options.output is None else Listener()
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    print("listening", flush=True)
    while not stop:
        executor.spin_once(timeout_sec=0.2)
    if isinstance(node, Listener):
        node.save(options.output)
    node.destroy_node()
    rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
