"""What is beside camera, perception and mapper on a robot: odometry, somebody who looks at the map, and who saves it.

``python -m scripts.benchmarks.nodes.robot --views 48 --rate 5 --seconds 120 --saves 4 --output FILE`` ends by itself.
It knows the nodes by their topics and services alone, so that those of another commit can be measured with it.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from pathlib import Path
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from nav_msgs.msg import Odometry
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import CameraInfo, PointCloud2
from std_srvs.srv import Trigger

from cinet_core.messages.fields import stamp_of
from cinet_core.rooms.demo.room import camera_pose
from cinet_ros.mapping.map_messages import quaternion_of
from cinet_ros.msg import PerceptionStats
from cinet_ros.node_process import make_executor
from cinet_ros.publishers import LATCHED_QOS
from cinet_ros.stop_request import StopRequest
from scripts.benchmarks.nodes.mapping_metrics import MappingRecord, SaveCall

ODOMETRY_HZ = 50.0
POLL_SECONDS = 0.05
# For the mapper's first frame, and then for the backend that is expected, seconds.
PATIENCE, BACKEND_PATIENCE = 120.0, 180.0
# A call that takes longer has no answer.
SAVE_PATIENCE = 30.0
NANOSECONDS = 1_000_000_000
FRAMES_ROW = "mapping: frames"


class Robot(Node):
    """Publishes where the player's camera is, and notes what the mapper makes of it.

    Args:
        views: of the synthetic scene in one loop of the player.
        rate: of the player, Hz.
        node_arguments: rclpy's.

    Attributes:
        record: what was seen.
        backend: that the perception node predicts with.
    """

    def __init__(self, views: int, rate: float, **node_arguments: Any) -> None:
        super().__init__("robot", **node_arguments)
        self.record = MappingRecord()
        self.backend = ""
        self._views, self._rate = views, rate
        self._begun: dict[Any, float] = {}  # calls without an answer
        self._anchor: tuple[int, int] | None = None  # number and stamp of the camera's last frame
        self._sent: tuple[float, int] | None = None  # view, at this moment: of the last odometry
        self._odometry = self.create_publisher(Odometry, "odom", 50)
        self._client = self.create_client(Trigger, "/mapping/save")
        self.create_subscription(CameraInfo, "camera_info", self._on_camera, 50)
        self.create_subscription(PerceptionStats, "stats", self._on_stats, 5)
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 50)
        self.create_subscription(PointCloud2, "map/points", self._on_map, LATCHED_QOS, raw=True)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(1.0 / ODOMETRY_HZ, self._send_odometry, clock=steady)

    def call_save(self) -> None:
        """Ask the mapper to save."""
        begun, future = time.monotonic(), self._client.call_async(Trigger.Request())
        self._begun[future] = begun
        future.add_done_callback(self._on_answer)

    def waiting(self) -> bool:
        """Whether a call may still be answered; those that were not in time are noted as such."""
        now = time.monotonic()
        for future, begun in list(self._begun.items()):
            if now - begun > SAVE_PATIENCE:
                self.record.saves.append(SaveCall(begun, SAVE_PATIENCE, False, "no answer"))
                del self._begun[future]
        return bool(self._begun)

    def _on_answer(self, future: Any) -> None:
        begun = self._begun.pop(future, None)
        if begun is not None:
            answer = future.result()
            self.record.saves.append(SaveCall(begun, time.monotonic() - begun, answer.success, answer.message))

    def _on_camera(self, message: CameraInfo) -> None:
        self._anchor = (0 if self._anchor is None else self._anchor[0] + 1), stamp_of(message)
        self.record.camera.append(time.monotonic())

    def _on_stats(self, message: PerceptionStats) -> None:
        self.backend = message.backend

    def _on_map(self, _: bytes) -> None:
        self.record.maps.append(time.monotonic())

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for row in message.status:
            if row.name == FRAMES_ROW:
                counts = {item.key: int(item.value) for item in row.values if item.value.isdigit()}
                self.record.counts.append((time.monotonic(), counts))

    def _send_odometry(self) -> None:
        """The camera goes on from view to view at the player's rate."""
        if self._anchor is None:
            return
        number, stamp = self._anchor
        now = self.get_clock().now().nanoseconds
        view = number + (now - stamp) / NANOSECONDS * self._rate
        if self._sent is not None:  # where a frame came late, faster or slower for a while: a robot does not jump
            before, then = self._sent
            usual = (now - then) / NANOSECONDS * self._rate
            view = min(max(view, before + usual / 2), before + usual * 3 / 2)
        self._sent = view, now
        pose = camera_pose(2.0 * math.pi * view / self._views)
        message = Odometry(child_frame_id="camera")
        message.header.frame_id = "odom"
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(now, NANOSECONDS)
        position = message.pose.pose.position
        position.x, position.y, position.z = (float(value) for value in pose[:3, 3])
        message.pose.pose.orientation = quaternion_of(pose[:3, :3])
        self._odometry.publish(message)


def watch(robot: Robot, spin: Any, seconds: float, saves: int, backend: str) -> None:
    """Let the robot run until the mapper has its first frame, and then for so long; note what came.

    Args:
        robot: that notes.
        spin: serves it for a moment.
        seconds: of the measurement.
        saves: calls, evenly spread over it.
        backend: that the perception node is to have come to, where it does so in time; "": any.

    Raises:
        TimeoutError: the mapper received nothing.
    """
    begun = time.monotonic()
    while not (robot.record.counts and robot.record.counts[-1][1].get("received", 0)):
        if time.monotonic() > begun + PATIENCE:
            raise TimeoutError(f"the mapper has received no frame within {PATIENCE:g} s")
        spin()
    begun = time.monotonic()
    while backend not in ("", robot.backend) and time.monotonic() < begun + BACKEND_PATIENCE:
        spin()
    begun = time.monotonic()
    due = [begun + seconds * (index + 0.5) / saves for index in range(saves)]
    while time.monotonic() < begun + seconds or robot.waiting():
        spin()
        while due and time.monotonic() > due[0]:
            due.pop(0)
            robot.call_save()
    robot.record.span = (begun, begun + seconds)
    robot.record.backend = robot.backend


def main() -> int:
    """Run, and write what was seen; 1 where a signal came before."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--views", type=int, required=True, help="of the player's synthetic scene")
    parser.add_argument("--rate", type=float, required=True, help="of the player, Hz")
    parser.add_argument("--seconds", type=float, required=True, help="of the measurement")
    parser.add_argument("--saves", type=int, required=True, help="calls of the mapper's save")
    parser.add_argument("--backend", default="", help="wait until the perception node predicts with this one")
    parser.add_argument("--output", type=Path, required=True, help="JSON")
    options = parser.parse_args()
    stop = StopRequest()
    stop.listen()
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    robot = Robot(options.views, options.rate)
    executor = make_executor()
    executor.add_node(robot)

    def spin() -> None:
        if stop():
            raise KeyboardInterrupt
        executor.spin_once(timeout_sec=POLL_SECONDS)

    print("ready", flush=True)
    try:
        watch(robot, spin, options.seconds, options.saves, options.backend)
        options.output.write_text(json.dumps(robot.record.as_json()), encoding="utf-8")
    except KeyboardInterrupt:
        return 1
    finally:
        robot.destroy_node()
        rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
