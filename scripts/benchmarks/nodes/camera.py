"""A camera for measurements: 640x480 rgb8 with its camera_info at a steady rate, until SIGINT.

``python -m scripts.benchmarks.nodes.camera --rate 6``
"""

from __future__ import annotations

import argparse
import array
import sys
import time
from collections.abc import Callable, Sequence

import cv2
import numpy as np
import rclpy
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import CameraInfo, Image

from cinet_ros.stop_request import StopRequest

WIDTH, HEIGHT, FOCAL = 640, 480, 525.0
FRAME_ID = "camera_optical_frame"
IMAGE, INFO = "image", "camera_info"
# What a camera driver keeps.
QUEUE_DEPTH = 10
VIEWS = 4


class CameraPublisher(Node):
    """Publishes images and their camera_info; `sent` holds the stamps, nanoseconds."""

    def __init__(self) -> None:
        super().__init__("camera")
        self.images = self.create_publisher(Image, IMAGE, QUEUE_DEPTH)
        self.infos = self.create_publisher(CameraInfo, INFO, QUEUE_DEPTH)
        self.views = [view(seed) for seed in range(VIEWS)]
        self.sent = array.array("q")
        self._info = calibration()

    def send(self) -> None:
        """Publish camera_info and image."""
        message = self.views[len(self.sent) % VIEWS]
        stamp = time.time_ns()
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp, 1_000_000_000)
        self._info.header = message.header
        self.infos.publish(self._info)
        self.images.publish(message)
        self.sent.append(stamp)


def view(seed: int) -> Image:
    """A smooth, colourful image."""
    coarse = np.random.default_rng(seed).integers(30, 226, (12, 16, 3), dtype=np.uint8)
    pixels = cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    message = Image(height=HEIGHT, width=WIDTH, encoding="rgb8", step=3 * WIDTH)
    message.data = array.array("B", pixels.tobytes())
    message.header.frame_id = FRAME_ID
    return message


def calibration() -> CameraInfo:
    """camera_info of a pinhole."""
    cx, cy = (WIDTH - 1) / 2, (HEIGHT - 1) / 2
    k = [FOCAL, 0.0, cx, 0.0, FOCAL, cy, 0.0, 0.0, 1.0]
    p = [FOCAL, 0.0, cx, 0.0, 0.0, FOCAL, cy, 0.0, 0.0, 0.0, 1.0, 0.0]
    identity = np.eye(3).ravel().tolist()
    return CameraInfo(width=WIDTH, height=HEIGHT, distortion_model="plumb_bob", d=[0.0] * 5, k=k, r=identity, p=p)


def play(streams: Sequence[tuple[float, Callable[[], None]]], ended: Callable[[], bool]) -> None:
    """Send each stream on its own beat; what is late by more than a beat is left out, not sent in a burst.

    Args:
        streams: rate in Hz, above 0, and what sends one message of it.
        ended: whether to stop; asked before each message.
    """
    start = time.monotonic()
    due = [start] * len(streams)
    while not ended():
        index = due.index(min(due))
        rate, send = streams[index]
        time.sleep(max(0.0, due[index] - time.monotonic()))
        send()
        due[index] += 1 / rate
        if time.monotonic() > due[index] + 1 / rate:
            due[index] = time.monotonic()


def main() -> int:
    """Send until SIGINT, whether somebody listens or not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, required=True, help="images a second")
    options = parser.parse_args()
    stop = StopRequest()
    stop.listen()
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    camera = CameraPublisher()
    print("sending", flush=True)
    play([(options.rate, camera.send)], stop)
    camera.destroy_node()
    rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
