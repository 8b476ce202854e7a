"""The viewer node, which shows the outputs of perception and mapping in a browser tab or records them to a file.

``ros2 run cinet_ros viewer_node --ros-args -p file:=walk.rrd``
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import rclpy
from geometry_msgs.msg import Pose, PoseStamped
from nav_msgs.msg import Odometry
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

from cinet_core.messages.fields import stamp_of
from cinet_core.poses import MAX_NORM_ERROR
from cinet_core.threads import use_threads
from cinet_core.viewer import UnfinishedError, ViewerError, ViewerServer
from cinet_core.viewer.library import load_rerun
from cinet_ros.counters import FrameCounters
from cinet_ros.diagnostics import WARN, Conditions
from cinet_ros.fast_dds import segment_size, sized_segment
from cinet_ros.mapping.frame_arrays import CAMERA_INFO, COLOR, DEPTH, LABELS
from cinet_ros.mapping.frame_queue import Synchroniser
from cinet_ros.mapping.transforms import rigid_matrix
from cinet_ros.msg import PerceptionStats, SemanticClasses
from cinet_ros.parameter_fields import declare
from cinet_ros.rate_limit import RateLimit
from cinet_ros.stop_request import StopRequest
from cinet_ros.viewer import display
from cinet_ros.viewer.parameters import NOT_GIVEN, ViewerSettings
from cinet_ros.worker import LatestWorker

EXIT_FAILED = 1
EXIT_BAD_VALUE = 2

# MiB that it sends through: logs and parameter events alone. It receives through the senders' memory.
SHARED_MEMORY = 4

POLL_SECONDS = 0.1
# What is behind the newest is of no use here, but for the latched topics.
FRAME_DEPTH = 2
POSE_DEPTH = 50
# Poses that wait for the worker at most: some seconds of the fastest odometry.
MAX_POSES = 1000
LATCHED = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL)
_RELIABILITY = {"reliable": ReliabilityPolicy.RELIABLE, "best_effort": ReliabilityPolicy.BEST_EFFORT}


class ViewerNode(Node):
    """Subscribes to all topics and hands the newest messages to a worker thread that shows them.

    Args:
        arguments: rclpy's, such as a context.

    Raises:
        ValueError: a parameter is wrong.
        ViewerError: the library is not there, or a port is taken.
    """

    def __init__(self, **arguments: Any) -> None:
        super().__init__("viewer", **arguments)
        self.settings: ViewerSettings = declare(self, ViewerSettings)
        use_threads(self.settings.threads, default=1)
        load_rerun()
        self.conditions = Conditions(self.get_logger())
        self.counters = FrameCounters()
        self.server = self._serve()
        address = None if self.server is None else self.server.address
        self._display = display.Display(self.settings, address, self.counters, self._warn)
        self._synchroniser = Synchroniser((DEPTH, LABELS, COLOR), self.counters)
        self._camera_info: CameraInfo | None = None
        self._rate = RateLimit()
        self._poses: deque[display.StampedPose] = deque(maxlen=MAX_POSES)
        self._poses_lock = threading.Lock()
        given = self.settings.camera_in_base
        self._camera_in_base = None if given == NOT_GIVEN else rigid_matrix(given[:3], given[3:])
        self.failure: str | None = None
        self._worker: LatestWorker[Any] = LatestWorker(self._process, self._failed, "viewer")
        self._subscribe()
        self.get_logger().info(self._announcement())

    def close(self) -> None:
        """Finish the recording and end the server.

        Raises:
            ViewerError: what was recorded is not all written or shown.
        """
        self._worker.stop()
        try:
            self._display.close()
        finally:
            if self.server is not None:
                self.server.close()
            self._report()

    def _report(self) -> None:
        counts = self.counters.now()
        drops = ", ".join(f"{count} {reason}" for reason, count in sorted(counts.drops.items()))
        self.get_logger().info(f"showed {counts.used} of {counts.received} frames{f' ({drops})' if drops else ''}")

    def check(self) -> str | None:
        """Return why the node cannot continue, or None while it can."""
        if self.server is not None and not self.server.running:
            return "the viewer's server has ended; start the node anew"
        return self.failure

    def _serve(self) -> ViewerServer | None:
        settings = self.settings
        if not settings.serve:
            return None
        return ViewerServer(settings.host, settings.port, settings.data_port, f"{settings.memory_limit}MB")

    def _announcement(self) -> str:
        shown = []
        if self.server is not None:
            shown.append(f"open {self.server.url} in a browser, or on the desktop: rerun {self.server.address}")
        if self.settings.file:
            shown.append(f"recording into {self.settings.file}; later: rerun {self.settings.file}")
        return ". ".join(shown)

    def _subscribe(self) -> None:
        frames = QoSProfile(depth=FRAME_DEPTH, reliability=_RELIABILITY[self.settings.input_reliability])
        for topic in (DEPTH, LABELS, COLOR):
            self.create_subscription(Image, topic, lambda message, topic=topic: self._on_image(topic, message), frames)
        self.create_subscription(CameraInfo, CAMERA_INFO, self._on_camera_info, frames)
        self.create_subscription(PerceptionStats, "stats", lambda message: self._submit(display.STATS, message), frames)
        self.create_subscription(
            SemanticClasses, "semantic/classes", lambda message: self._submit(display.CLASSES, message), LATCHED
        )
        self.create_subscription(PointCloud2, "map/points", lambda message: self._submit(display.MAP, message), LATCHED)
        poses = QoSProfile(depth=POSE_DEPTH, reliability=ReliabilityPolicy.BEST_EFFORT)
        if self.settings.pose_source == "odometry":
            self.create_subscription(
                Odometry, "odom", lambda odometry: self._on_pose(odometry, odometry.pose.pose), poses
            )
        elif self.settings.pose_source == "pose":
            self.create_subscription(PoseStamped, "pose", lambda stamped: self._on_pose(stamped, stamped.pose), poses)

    def _on_camera_info(self, message: CameraInfo) -> None:
        self._camera_info = message

    def _on_image(self, topic: str, message: Image) -> None:
        frame = self._synchroniser.add(topic, message)
        if frame is None:
            return
        if not self._rate.allows(self.settings.max_rate, time.monotonic()):
            self.counters.drop("rate_limit")
            return
        if self._submit(display.FRAME, display.CalibratedFrame(frame, self._camera_info)) is not None:
            self.counters.drop("replaced_by_newer")

    def _on_pose(self, message: Any, pose: Pose) -> None:
        if self._camera_in_base is None:
            self._warn("extrinsic", "poses come in but camera_in_base is not set: where the camera is, is not shown")
            return
        turn = pose.orientation
        position = (pose.position.x, pose.position.y, pose.position.z)
        rotation = (turn.x, turn.y, turn.z, turn.w)
        if not (abs(np.linalg.norm(rotation) - 1.0) <= MAX_NORM_ERROR and np.isfinite(position).all()):
            self._warn("pose", "a pose is no rigid motion: a number is not finite or the quaternion's length is not 1")
            return
        base = rigid_matrix(position, rotation)
        with self._poses_lock:
            self._poses.append(display.StampedPose(stamp_of(message), base @ self._camera_in_base))
        self._submit(display.POSES, None)

    def _submit(self, key: str, item: Any) -> Any:
        return self._worker.submit(key, item)

    def _process(self, batch: dict[str, Any]) -> None:
        if display.POSES in batch:
            with self._poses_lock:
                batch[display.POSES] = tuple(self._poses)
                self._poses.clear()
        self._display.process(batch)

    def _failed(self, error: Exception, batch: dict[str, Any]) -> None:
        if isinstance(error, (ViewerError, OSError)):
            self.failure = str(error)
        else:
            self._warn("failed", f"{', '.join(batch)} cannot be shown: {type(error).__name__}: {error}")
        if display.FRAME in batch:
            self.counters.drop("failed")

    def _warn(self, key: str, text: str) -> None:
        self.conditions.report(key, WARN, text)


def main(args: Sequence[str] | None = None) -> int:
    """Run the viewer until SIGINT or SIGTERM.

    Returns:
        The exit status: 0 stopped by a signal, 1 it cannot go on, 2 it refuses to start.
    """
    stop = StopRequest()
    stop.listen()
    try:
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    except RuntimeError as error:  # RCLError: what follows --ros-args cannot be parsed
        print(f"viewer: {error}", file=sys.stderr)
        return EXIT_BAD_VALUE
    try:
        return _show(stop)
    finally:
        rclpy.try_shutdown()
        stop.ignore()


def _show(stop: Callable[[], bool]) -> int:
    logger = rclpy.logging.get_logger("viewer")
    try:
        with sized_segment(os.environ, segment_size(os.environ, SHARED_MEMORY)):
            node = ViewerNode()
    except (ValueError, ViewerError) as error:
        logger.fatal(str(error))
        return EXIT_BAD_VALUE
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    trouble = None
    try:
        while trouble is None and not stop():
            executor.spin_once(timeout_sec=POLL_SECONDS)
            trouble = node.check()
        if trouble is not None:
            logger.fatal(trouble)
        node.close()
    except UnfinishedError as error:
        logger.fatal(str(error))
        os._exit(EXIT_FAILED)
    except ViewerError as error:
        logger.error(str(error))
        return EXIT_FAILED
    finally:
        executor.shutdown()
        node.destroy_node()
    return 0 if trouble is None else EXIT_FAILED


if __name__ == "__main__":
    sys.exit(main())
