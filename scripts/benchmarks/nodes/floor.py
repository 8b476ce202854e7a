"""The floor of the node's overhead: the messages of a frame published from ready arrays, as rclpy publishes messages.

Every second frame is sent as the node sends it, images and clouds in their serialised form.

``python -m scripts.benchmarks.nodes.floor --rate 6 --output FILE`` publishes what is subscribed to until SIGINT.
"""

from __future__ import annotations

import argparse
import array
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from cinet_core.messages.topics import topics_of
from cinet_core.model.config import DEFAULT_TASKS
from cinet_ros.conversions.ros_types import ROS_TYPES
from cinet_ros.frame_messages import MESSAGE_TYPES, RosMessageBuilder
from cinet_ros.parameters import Settings
from cinet_ros.publishers import OUTPUT_QOS
from cinet_ros.serialized import SERIALIZED_TYPES, send
from cinet_ros.stop_request import StopRequest
from scripts.benchmarks.nodes.camera import play
from scripts.benchmarks.nodes.frame import LABEL_SET, example_result
from scripts.benchmarks.nodes.phases import FLOOR


class BaselinePublisher(Node):
    """Publishes every output of a node with the default tasks, below `FLOOR`, from messages that are filled once.

    Attributes:
        begun: of each frame, steady seconds.
        seconds: from the first publish of it to the return of the last.
        serialised: 1 of a frame that was sent as the node sends it, else 0.
    """

    def __init__(self) -> None:
        super().__init__("floor")
        result, settings = example_result(), Settings()
        builders = [RosMessageBuilder(LABEL_SET, types=types) for types in (ROS_TYPES, SERIALIZED_TYPES)]
        self._header = result.header
        self._outputs: list[tuple[Any, list[Any]]] = [
            (
                self.create_publisher(MESSAGE_TYPES[topic], FLOOR + topic, OUTPUT_QOS),
                [builder.build(topic, result, settings) for builder in builders],
            )
            for topic in topics_of(DEFAULT_TASKS)
        ]
        self.begun = array.array("d")
        self.seconds = array.array("d")
        self.serialised = array.array("b")

    def send(self) -> None:
        """Publish a frame on the topics that somebody subscribes to."""
        kind = len(self.seconds) % 2
        wanted = [(publisher, forms[kind]) for publisher, forms in self._outputs if publisher.get_subscription_count()]
        if not wanted:
            return
        stamp = time.time_ns()
        self._header.stamp.sec, self._header.stamp.nanosec = divmod(stamp, 1_000_000_000)
        begun = time.monotonic()
        for publisher, message in wanted:
            send(publisher, message)
        self.seconds.append(time.monotonic() - begun)
        self.begun.append(begun)
        self.serialised.append(kind)

    def save(self, path: Path) -> None:
        """Write `begun`, `seconds` and `serialised` as .npz."""
        begun, seconds, serialised = (np.asarray(values) for values in (self.begun, self.seconds, self.serialised))
        np.savez(path, begun=begun, seconds=seconds, serialised=serialised)


def main() -> int:
    """Publish until SIGINT."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, required=True, help="frames a second")
    parser.add_argument("--output", type=Path, required=True, help=".npz")
    options = parser.parse_args()
    stop = StopRequest()
    stop.listen()
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    floor = BaselinePublisher()
    print("ready", flush=True)
    play([(options.rate, floor.send)], stop)
    floor.save(options.output)
    floor.destroy_node()
    rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
