"""The player node, which publishes images and camera_info from a folder, a video, a ROS 2 bag or a synthetic scene.

``ros2 run cinet_ros player_node --ros-args -p source:=/path/to/frames -p rate:=10.0``
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from typing import Any

import rclpy
from builtin_interfaces.msg import Time
from rclpy.duration import Duration
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile, QoSReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from cinet_core.bags.errors import BagError
from cinet_core.data.frame_sources import SYNTHETIC, SourceError
from cinet_core.read_ahead import POLL_SECONDS, Preloaded, ReadAhead
from cinet_core.threads import use_threads
from cinet_ros.fast_dds import segment_size, sized_segment
from cinet_ros.parameter_fields import declare
from cinet_ros.player.pacing import Intervals, Pacer, Tally
from cinet_ros.player.parameters import PlayerSettings
from cinet_ros.player.playback import Playback, PlayedFrame, open_playback
from cinet_ros.player.simulated_clock import TICK_SECONDS, SimulatedClock
from cinet_ros.stop_request import StopRequest

EXIT_FAILED = 1
EXIT_BAD_VALUE = 2

# What a camera driver keeps.
QUEUE_DEPTH = 10
# A subscriber that this side has matched may need this long to match in turn, or it misses the first frames.
SETTLE_SECONDS = 0.3
# After the last frame: how long reliable subscribers may take to acknowledge it (Fast DDS asks them every 3 s), and
# any subscriber to fetch it.
ACKNOWLEDGE_SECONDS = 5.0
LINGER_SECONDS = 0.3
# Below this share of the wanted rate the log says that it is not held; a shorter run cannot tell.
HELD_SHARE = 0.95
REPORT_SECONDS = 2.0

_RELIABILITY = {"reliable": QoSReliabilityPolicy.RELIABLE, "best_effort": QoSReliabilityPolicy.BEST_EFFORT}


class PlaybackError(Exception):
    """Playback ended early. The message names the reason and the remedy."""


class PlayerNode(Node):
    """Publishes the images of a source. `run` returns when all were sent or a stop was requested.

    Args:
        stopped: whether a stop was requested.

    Raises:
        ValueError: a parameter is wrong.
        BagError, SourceError: the source cannot be opened.
    """

    def __init__(self, stopped: Callable[[], bool]) -> None:
        super().__init__("player")
        self._stopped = stopped
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self)
        self.settings: PlayerSettings = declare(self, PlayerSettings)
        use_threads(self.settings.threads, default=1)
        self.playback: Playback = open_playback(self.settings)
        qos = QoSProfile(depth=QUEUE_DEPTH, reliability=_RELIABILITY[self.settings.reliability])
        compressed = self.playback.compressed
        self._image_publisher: Publisher = self.create_publisher(
            CompressedImage if compressed else Image, "image/compressed" if compressed else "image", qos
        )
        self._info_publisher: Publisher = self.create_publisher(CameraInfo, "camera_info", qos)
        self._clock_publisher = SimulatedClock(self) if self.settings.publish_clock else None
        self._tally = Tally()
        self._pacer = Pacer()

    def run(self) -> None:
        """Play the source to its end or until a stop is requested.

        Raises:
            PlaybackError: nobody subscribed in time, or a frame cannot be sent.
            BagError, SourceError: the source cannot be read any further.
        """
        preloaded = self._preload()
        try:
            self._wait_for_subscribers()
            if preloaded is not None:
                preloaded.wait(self._stopped)
            if not self._stopped():
                self._play(self.playback.items if preloaded is None else preloaded)
        finally:
            if preloaded is not None:
                preloaded.close()
            self._executor.shutdown()

    def _preload(self) -> Preloaded[Any] | None:
        """Begin to render, so that it is done by the time subscribers are there; the scene cannot be rendered live."""
        if self.settings.source != SYNTHETIC:
            return None
        self.get_logger().info(f"rendering {self.settings.synthetic_frames} views of the synthetic scene")
        return Preloaded(self.playback.items)

    def _play(self, items: Iterable[Any]) -> None:
        intervals = Intervals(self.settings.rate, 1.0 / self.playback.nominal_rate)
        self.get_logger().info(
            f"playing {self.playback.description} on {self._image_publisher.topic_name}, "
            f"{'again and again' if self.settings.loop else 'once'}"
        )
        for note in self.playback.notes:
            (self.get_logger().warning if note.startswith("WARNING") else self.get_logger().info)(note)
        try:
            with closing(ReadAhead(self._numbered(items), self._stopped)) as numbered:
                for index, item in numbered:
                    played_frame = self._played_frame(index, item)
                    self._send(played_frame, intervals.since_previous(played_frame.time_ns))
            self._wait_for_acknowledgement()
        finally:
            self._report()

    def _numbered(self, items: Iterable[Any]) -> Iterator[tuple[int, Any]]:
        """Items with their place in the source, as often as it is played; iterated on the loading thread."""
        again = True
        while again:
            index = -1
            for index, item in enumerate(items):
                yield index, item
            if index < 0:
                raise PlaybackError(f"{self.playback.description} has no frame that can be read; play another source")
            again = self.settings.loop

    def _played_frame(self, index: int, item: Any) -> PlayedFrame:
        try:
            return self.playback.played_frame(index, item)
        except ValueError as error:
            raise PlaybackError(f"frame {index} of {self.playback.description}: {error}") from error

    def _send(self, played_frame: PlayedFrame, interval: float) -> None:
        """Wait until the frame is due, then publish it with its stamp."""
        deadline = self._pacer.next_deadline(interval)
        if self._clock_publisher is not None:
            self._clock_publisher.head_for(played_frame.time_ns)
        self._wait_until(deadline, interval)
        if self._stopped():
            return
        stamp = self._stamp(played_frame)
        played_frame.image.header.stamp = stamp
        self._image_publisher.publish(played_frame.image)
        if played_frame.camera_info is not None:
            played_frame.camera_info.header.stamp = stamp
            self._info_publisher.publish(played_frame.camera_info)
        else:
            self.get_logger().warning(
                "no camera_info is published: the source does not know its camera; set `intrinsics` or `fov`", once=True
            )
        self._tally.count()

    def _stamp(self, played_frame: PlayedFrame) -> Time:
        if self.settings.stamp == "now":
            return self.get_clock().now().to_msg()
        seconds, nanoseconds = divmod(played_frame.stamp_ns, 1_000_000_000)
        return Time(sec=seconds, nanosec=nanoseconds)

    def _wait_until(self, deadline: float, interval: float = 0.0) -> None:
        """Serve parameters until the deadline (steady seconds) or a stop; the simulated clock goes on meanwhile."""
        clock = self._clock_publisher
        slice_seconds = POLL_SECONDS if clock is None else TICK_SECONDS
        while not self._stopped():
            left = deadline - time.monotonic()
            if clock is not None:
                clock.publish(1.0 - left / interval if interval > 0 else 1.0)
            if left <= 0:
                return
            self._executor.spin_once(timeout_sec=min(left, slice_seconds))

    def _wait_for_subscribers(self) -> None:
        wanted, limit = self.settings.wait_for_subscribers, self.settings.wait_timeout
        if wanted == 0:
            return
        topic, started = self._image_publisher.topic_name, time.monotonic()
        self.get_logger().info(f"waiting for {wanted} subscribers of {topic}")
        while not self._stopped() and (found := self._image_publisher.get_subscription_count()) < wanted:
            if limit and time.monotonic() - started > limit:
                raise PlaybackError(
                    f"{found} of {wanted} subscribers of {topic} after wait_timeout = {limit:g} s; "
                    "start them, or lower wait_for_subscribers"
                )
            self._wait_until(time.monotonic() + POLL_SECONDS)
        self._wait_until(time.monotonic() + SETTLE_SECONDS)

    def _wait_for_acknowledgement(self) -> None:
        """Give subscribers time to receive the last frames before the publishers go."""
        if self._stopped():
            return
        give_up = time.monotonic() + ACKNOWLEDGE_SECONDS
        for publisher in (self._image_publisher, self._info_publisher):
            # in slices, so that a signal is noticed
            while not publisher.wait_for_all_acked(Duration(seconds=POLL_SECONDS)):
                if self._stopped():
                    return
                if time.monotonic() > give_up:
                    self.get_logger().warning(
                        f"a subscriber of {publisher.topic_name} has not acknowledged the last frames within "
                        f"{ACKNOWLEDGE_SECONDS:g} s"
                    )
                    break
        self._wait_until(time.monotonic() + LINGER_SECONDS)

    def _report(self) -> None:
        for fault in self.playback.faults:
            self.get_logger().warning(fault)
        tally, rate = self._tally, self.settings.rate
        text = f"sent {tally.sent} frames in {tally.seconds:.1f} s, {tally.rate:.2f} Hz"
        if self._pacer.stalls:
            text += f", {self._pacer.stalls} times behind by more than a frame"
        if tally.seconds > REPORT_SECONDS and tally.rate < HELD_SHARE * rate:
            self.get_logger().warning(f"{text}: the wanted rate of {rate:g} Hz is not held; lower `rate`")
        else:
            self.get_logger().info(text)


def main(args: Sequence[str] | None = None) -> int:
    """Run the player.

    Returns:
        The exit status: 0 played or stopped by a signal, 1 failed while playing, 2 wrong parameter or source.
    """
    stop = StopRequest()
    stop.listen()
    try:
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    except RuntimeError as error:  # RCLError: what follows --ros-args cannot be parsed
        print(f"player: {error}", file=sys.stderr)
        return EXIT_BAD_VALUE
    try:
        return _play(stop)
    finally:
        rclpy.try_shutdown()
        stop.ignore()


def _play(stop: StopRequest) -> int:
    logger = rclpy.logging.get_logger("player")
    try:
        with sized_segment(os.environ, segment_size(os.environ, None)):
            node = PlayerNode(stop)
    except (ValueError, BagError, SourceError) as error:
        logger.fatal(str(error))
        return EXIT_BAD_VALUE
    try:
        node.run()
    except (PlaybackError, BagError, SourceError) as error:
        logger.fatal(str(error))
        return EXIT_FAILED
    finally:
        node.destroy_node()
    return 0


if __name__ == "__main__":
    sys.exit(main())
