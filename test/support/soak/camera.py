"""A camera for long runs, and on demand as many images beside it that the node ignores.

Writes which stamps it has sent, so that nothing that was not sent can pass for a result. ``python -m soak.camera``
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import rclpy
from rclpy.duration import Duration
from sensor_msgs.msg import Image

from scripts.benchmarks.nodes.camera import HEIGHT as HEIGHT
from scripts.benchmarks.nodes.camera import QUEUE_DEPTH, VIEWS, CameraPublisher, play
from scripts.benchmarks.nodes.camera import WIDTH as WIDTH

BESIDE = "beside/image"
SUBSCRIBER_TIMEOUT = 300.0
# A subscriber that this side has matched may need this long to match in turn, or it misses the first frames.
SETTLE_SECONDS = 1.0


class TwoRateCamera(CameraPublisher):
    """Publishes at two rates; `sent` holds the stamps of the images that are for the node, nanoseconds."""

    def __init__(self) -> None:
        super().__init__()
        self._beside = self.create_publisher(Image, BESIDE, QUEUE_DEPTH)
        self.beside = 0

    def wait_for_subscribers(self, beside: bool) -> None:
        """Wait until the node (and what listens beside it) takes images. Raises TimeoutError."""
        deadline = time.monotonic() + SUBSCRIBER_TIMEOUT
        wanted = [self.images, self.infos, *([self._beside] if beside else [])]
        while not all(publisher.get_subscription_count() for publisher in wanted):
            if time.monotonic() > deadline:
                raise TimeoutError(f"no subscriber within {SUBSCRIBER_TIMEOUT:g} s: is an output of the node taken?")
            time.sleep(0.05)
        time.sleep(SETTLE_SECONDS)

    def send_beside(self) -> None:
        """Publish an image of the same size that is not for the node."""
        self._beside.publish(self.views[self.beside % VIEWS])
        self.beside += 1

    def see_off(self) -> None:
        """Give subscribers time to take the last frame."""
        self.images.wait_for_all_acked(Duration(seconds=5))
        time.sleep(SETTLE_SECONDS)


def main() -> int:
    """Play once and write ``stamps`` (ns), ``span`` (steady seconds, begin and end) and ``beside`` (count)."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, required=True, help="images a second for the node")
    parser.add_argument("--beside-rate", type=float, default=0.0, help="images a second that are not for it")
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--output", type=Path, required=True, help=".npz")
    options = parser.parse_args()
    rclpy.init()
    camera = TwoRateCamera()
    camera.wait_for_subscribers(beside=options.beside_rate > 0)
    streams = [(options.rate, camera.send), (options.beside_rate, camera.send_beside)]
    begin = time.monotonic()
    play([(rate, send) for rate, send in streams if rate > 0], lambda: time.monotonic() >= begin + options.seconds)
    span = (begin, time.monotonic())
    camera.see_off()
    np.savez(options.output, stamps=np.asarray(camera.sent, dtype=np.int64), span=span, beside=camera.beside)
    camera.destroy_node()
    rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
