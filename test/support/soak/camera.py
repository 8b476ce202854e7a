"""A camera for long runs: 640x480 rgb8 at a steady rate, and on demand as many images beside it that the node ignores.

Writes which stamps it has sent, so that nothing that was not sent can pass for a result. ``python -m soak.camera``
"""

from __future__ import annotations

import argparse
import array
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import rclpy
from rclpy.duration import Duration
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image

WIDTH, HEIGHT, FOCAL = 640, 480, 525.0
FRAME_ID = "camera_optical_frame"
IMAGE, INFO, BESIDE = "image", "camera_info", "beside/image"
# What a camera driver keeps.
QUEUE_DEPTH = 10
SUBSCRIBER_TIMEOUT = 300.0
# A subscriber that this side has matched may need this long to match in turn, or it misses the first frames.
SETTLE_SECONDS = 1.0
VIEWS = 4


class Camera(Node):
    """Publishes at two rates; `sent` holds the stamps of the images that are for the node, nanoseconds."""

    def __init__(self) -> None:
        super().__init__("camera")
        self._images = self.create_publisher(Image, IMAGE, QUEUE_DEPTH)
        self._infos = self.create_publisher(CameraInfo, INFO, QUEUE_DEPTH)
        self._beside = self.create_publisher(Image, BESIDE, QUEUE_DEPTH)
        self._views = [view(seed) for seed in range(VIEWS)]
        self._info = calibration()
        self.sent = array.array("q")
        self.beside = 0

    def wait_for_subscribers(self, beside: bool) -> None:
        """Wait until the node (and what listens beside it) takes images. Raises TimeoutError."""
        deadline = time.monotonic() + SUBSCRIBER_TIMEOUT
        wanted = [self._images, self._infos, *([self._beside] if beside else [])]
        while not all(publisher.get_subscription_count() for publisher in wanted):
            if time.monotonic() > deadline:
                raise TimeoutError(f"no subscriber within {SUBSCRIBER_TIMEOUT:g} s: is an output of the node taken?")
            time.sleep(0.05)
        time.sleep(SETTLE_SECONDS)

    def send(self) -> None:
        """Publish camera_info and image for the node."""
        message = self._views[len(self.sent) % VIEWS]
        stamp = time.time_ns()
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp, 1_000_000_000)
        self._info.header = message.header
        self._infos.publish(self._info)
        self._images.publish(message)
        self.sent.append(stamp)

    def send_beside(self) -> None:
        """Publish an image of the same size that is not for the node."""
        self._beside.publish(self._views[self.beside % VIEWS])
        self.beside += 1

    def see_off(self) -> None:
        """Give subscribers time to take the last frame."""
        self._images.wait_for_all_acked(Duration(seconds=5))
        time.sleep(SETTLE_SECONDS)


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


def play(camera: Camera, rate: float, beside_rate: float, seconds: float) -> None:
    """Send both streams on their own beat; what is late by more than a beat is left out, not sent in a burst."""
    start = time.monotonic()
    streams = [(each, send) for each, send in ((rate, camera.send), (beside_rate, camera.send_beside)) if each > 0]
    due = [start] * len(streams)
    while min(due) < start + seconds:
        index = due.index(min(due))
        beat = 1.0 / streams[index][0]
        time.sleep(max(0.0, due[index] - time.monotonic()))
        streams[index][1]()
        due[index] += beat
        if time.monotonic() > due[index] + beat:
            due[index] = time.monotonic()


def main() -> int:
    """Play once and write ``stamps`` (ns), ``span`` (steady seconds, begin and end) and ``beside`` (count)."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, required=True, help="images a second for the node")
    parser.add_argument("--beside-rate", type=float, default=0.0, help="images a second that are not for it")
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--output", type=Path, required=True, help=".npz")
    options = parser.parse_args()
    rclpy.init()
    camera = Camera()
    camera.wait_for_subscribers(beside=options.beside_rate > 0)
    begin = time.monotonic()
    play(camera, options.rate, options.beside_rate, options.seconds)
    span = (begin, time.monotonic())
    camera.see_off()
    np.savez(options.output, stamps=np.asarray(camera.sent, dtype=np.int64), span=span, beside=camera.beside)
    camera.destroy_node()
    rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
