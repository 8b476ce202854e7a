"""A node that dies is started again by launch, and works as before; where launch is installed."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import launch_stand_in
import psutil
import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image

START_TIMEOUT = 180.0
STOP_TIMEOUT = 30.0
# Of perception.launch.py; and what discovery may take beyond what a start takes, seconds.
RESPAWN_DELAY, DISCOVERY = 1.0, 10.0

pytestmark = pytest.mark.skipif(
    not launch_stand_in.has_ros2_launch(),
    reason="launch, launch_ros and ros2 launch come with a ROS 2 distribution, not from PyPI",
)


@pytest.fixture
def launched(tmp_path: Path) -> Iterator[psutil.Process]:
    """A camera that is too fast for the network, so that a frame is always in work, and the node with respawn."""
    log = tmp_path / "launch.log"
    arguments = {"source": "synthetic", "rate": "60", "weights": "random", "device": "cpu", "respawn": "true"}
    with log.open("w", encoding="utf-8") as stream:
        process = subprocess.Popen(
            ["ros2", "launch", "cinet_ros", "perception.launch.py", *(f"{k}:={v}" for k, v in arguments.items())],
            stdout=stream,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=os.environ | {"ROS_LOG_DIR": str(tmp_path / "ros_log")},
            start_new_session=True,  # a SIGINT meant for it must not reach pytest
        )
    launch = psutil.Process(process.pid)
    yield launch
    started = launch.children(recursive=True)
    process.send_signal(signal.SIGINT)
    try:
        process.wait(STOP_TIMEOUT)
    finally:
        for left in [*started, launch]:
            if left.is_running():
                left.kill()


class Depth:
    """When the last depth image came."""

    def __init__(self) -> None:
        self._context = rclpy.Context()
        rclpy.init(context=self._context)
        self._node = rclpy.create_node("respawn_observer", context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._count = 0
        self._node.create_subscription(Image, "depth_registered/image_rect", self._on_image, qos_profile_sensor_data)

    def _on_image(self, image: Image) -> None:
        self._count += 1

    def wait_for(self, count: int) -> float:
        """Wait for so many images more; return the seconds that it took."""
        begun, before = time.monotonic(), self._count
        while self._count < before + count:
            assert time.monotonic() < begun + START_TIMEOUT, "no depth"
            self._executor.spin_once(timeout_sec=0.1)
        return time.monotonic() - begun

    def forget(self) -> None:
        """Take what has come already."""
        for _ in range(20):
            self._executor.spin_once(timeout_sec=0.02)

    def close(self) -> None:
        """Leave the graph."""
        self._executor.shutdown()
        self._node.destroy_node()
        self._context.try_shutdown()


@pytest.fixture
def depth() -> Iterator[Depth]:
    depth = Depth()
    yield depth
    depth.close()


def perception(launched: psutil.Process) -> psutil.Process:
    """The process of the node."""
    (found,) = [child for child in launched.children() if "cinet_ros.perception_node" in child.cmdline()]
    return found


@pytest.mark.fault(
    area="machine",
    fault="a crash in the middle of a frame, under launch",
    injected="SIGKILL of a node that is never idle, started with respawn:=true",
    expected=f"publishing again after at most the time of a first start and {RESPAWN_DELAY + DISCOVERY:g} s",
)
def test_a_node_that_was_killed_publishes_again(
    launched: psutil.Process, depth: Depth, observed: Callable[[str], None]
) -> None:
    first = depth.wait_for(1)
    depth.wait_for(5)
    old = perception(launched)
    old.kill()
    psutil.wait_procs([old], timeout=10.0)
    depth.forget()
    again = depth.wait_for(1)
    print(f"first frame after {first:.1f} s, after the crash {again:.1f} s")
    assert again <= RESPAWN_DELAY + first + DISCOVERY
    assert perception(launched).pid != old.pid
    depth.wait_for(5)
    observed("publishing again in time")
