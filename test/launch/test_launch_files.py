"""The launch files, installed, and started for real where `ros2 launch` is; test_launch_descriptions.py needs none."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import launch_stand_in
import psutil
import pytest
import rclpy
import yaml
from ament_index_python.packages import get_package_share_directory
from rcl_interfaces.srv import GetParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image, PointCloud2

LAUNCH_FOLDER = Path(__file__).resolve().parents[2] / "launch"

needs_launch = pytest.mark.skipif(
    not launch_stand_in.has_ros2_launch(),
    reason="launch, launch_ros and ros2 launch come with a ROS 2 distribution, not from PyPI",
)

# Two cores may be importing torch in several processes at once.
START_TIMEOUT = 120.0
STOP_TIMEOUT = 30.0


@pytest.mark.parametrize("folder", ["launch", "config"])
def test_files_are_installed(folder: str) -> None:
    installed = Path(get_package_share_directory("cinet_ros")) / folder
    for path in (LAUNCH_FOLDER.parent / folder).iterdir():
        if path.is_file():
            assert (installed / path.name).is_file(), f"{path.name}: run `make setup`"


# --- started for real ---


class Launched:
    """A running `ros2 launch`, ended by SIGINT as by a user."""

    def __init__(self, log: Path, launch_file: str, **arguments: str) -> None:
        self._log = log
        with log.open("w", encoding="utf-8") as stream:
            self.process = subprocess.Popen(
                ["ros2", "launch", "cinet_ros", launch_file, *(f"{key}:={value}" for key, value in arguments.items())],
                stdout=stream,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=os.environ | {"ROS_LOG_DIR": str(log.parent / "ros_log")},
                start_new_session=True,  # a SIGINT meant for it must not reach pytest
            )

    def output(self) -> str:
        """Everything printed so far by launch and by its processes."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def processes(self) -> list[psutil.Process]:
        """What it has started."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def interrupt(self) -> int:
        """Send SIGINT to launch, which passes it on; return its exit status."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(STOP_TIMEOUT)

    def kill(self) -> None:
        """End what is left, after a failed test."""
        if self.process.poll() is None:
            for process in [*self.processes(), self.process]:
                process.kill()
            self.process.wait()


@pytest.fixture
def launch_for_real(tmp_path: Path) -> Iterator[Callable[..., Launched]]:
    """Start a launch file; it is killed at the end of the test where it still runs."""
    started: list[Launched] = []

    def start(launch_file: str, **arguments: str) -> Launched:
        started.append(Launched(tmp_path / "launch.log", launch_file, **arguments))
        return started[-1]

    yield start
    for launched in started:
        launched.kill()


class Observer:
    """A node of the test's own, in a context of its own."""

    def __init__(self) -> None:
        self._context = rclpy.Context()
        rclpy.init(context=self._context)
        self.node = rclpy.create_node("launch_observer", context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self.first: dict[str, Any] = {}

    def subscribe(self, topic: str, kind: type) -> None:
        """Keep the first message of a topic."""
        self.node.create_subscription(
            kind, topic, lambda message: self.first.setdefault(topic, message), qos_profile_sensor_data
        )

    def wait_for(self, condition: Callable[[], bool], launched: Launched) -> None:
        """Handle messages until a condition holds."""
        deadline = time.monotonic() + START_TIMEOUT
        while not condition():
            assert launched.process.poll() is None, launched.output()
            assert time.monotonic() < deadline, f"got only {sorted(self.first)}:\n{launched.output()}"
            self._executor.spin_once(timeout_sec=0.1)

    def parameters(self, node_name: str, names: list[str], launched: Launched) -> list[Any]:
        """Values of text and float parameters of another node."""
        client = self.node.create_client(GetParameters, f"{node_name}/get_parameters")
        self.wait_for(client.service_is_ready, launched)
        future = client.call_async(GetParameters.Request(names=names))
        self.wait_for(future.done, launched)
        return [value.string_value or value.double_value for value in future.result().values]

    def close(self) -> None:
        """Leave the graph."""
        self._executor.shutdown()
        self.node.destroy_node()
        self._context.try_shutdown()


@pytest.fixture
def observer() -> Iterator[Observer]:
    observer = Observer()
    yield observer
    observer.close()


def assert_ends_cleanly(launched: Launched, nodes: int) -> None:
    """SIGINT ends launch and every process it started, each with status 0."""
    processes = launched.processes()
    assert len(processes) == nodes, launched.output()
    launched.interrupt()
    _, alive = psutil.wait_procs(processes, timeout=1.0)
    assert alive == [], launched.output()
    assert launched.output().count("process has finished cleanly") == nodes, launched.output()


@needs_launch
def test_perception_launch(launch_for_real: Callable[..., Launched], observer: Observer, tmp_path: Path) -> None:
    params_file = tmp_path / "perception.yaml"
    params_file.write_text(
        yaml.safe_dump(
            {
                "/robot/perception": {
                    "ros__parameters": {"weights": "/absent.safetensors", "overlay_opacity": 0.25, "device": "cpu"}
                }
            }
        ),
        encoding="utf-8",
    )
    launched = launch_for_real(
        "perception.launch.py",
        source="synthetic",
        weights="random",
        model_config="lite",
        params_file=str(params_file),
        namespace="robot",
        image="front/image_rect_color",
        camera_info="/front_info",
        rate="10",
    )
    for topic, kind in (
        ("/robot/front/image_rect_color", Image),
        ("/robot/depth_registered/image_rect", Image),
        ("/robot/points", PointCloud2),
    ):
        observer.subscribe(topic, kind)
    observer.wait_for(lambda: len(observer.first) == 3, launched)

    depth = observer.first["/robot/depth_registered/image_rect"]
    image = observer.first["/robot/front/image_rect_color"]
    assert (depth.encoding, depth.width, depth.height) == ("32FC1", image.width, image.height)
    assert depth.header.frame_id == image.header.frame_id
    # an argument wins over the file, what is not given leaves the file's value
    assert observer.parameters("/robot/perception", ["weights", "overlay_opacity"], launched) == ["random", 0.25]
    assert observer.parameters("/robot/player", ["rate"], launched) == [10.0]
    assert_ends_cleanly(launched, nodes=2)


@needs_launch
def test_demo_launch(launch_for_real: Callable[..., Launched], observer: Observer) -> None:
    launched = launch_for_real("demo.launch.py", params_file="none", rate="10", device="cpu")
    observer.subscribe("/depth_registered/image_rect", Image)
    observer.subscribe("/points", PointCloud2)
    observer.wait_for(lambda: len(observer.first) == 2, launched)
    assert "random weights" not in launched.output()
    assert_ends_cleanly(launched, nodes=2)


@needs_launch
def test_a_node_that_refuses_ends_the_launch_with_an_error(
    launch_for_real: Callable[..., Launched], tmp_path: Path
) -> None:
    parameters = tmp_path / "no_weights.yaml"
    parameters.write_text("/**:\n  ros__parameters:\n    weights: ''\n", encoding="utf-8")
    launched = launch_for_real("perception.launch.py", source="synthetic", params_file=str(parameters))
    assert launched.process.wait(START_TIMEOUT) == 1
    assert "no weights given" in launched.output()
    assert "the perception node has ended with status" in launched.output()


@needs_launch
def test_a_player_that_dies_ends_the_demo_with_an_error(launch_for_real: Callable[..., Launched]) -> None:
    launched = launch_for_real("demo.launch.py", source="/absent", weights="random", device="cpu")
    assert launched.process.wait(START_TIMEOUT) == 1
    assert "/absent" in launched.output()
    assert "the player has ended with status 2" in launched.output()


@needs_launch
def test_a_recording_that_is_over_ends_the_demo_in_order(
    launch_for_real: Callable[..., Launched], tmp_path: Path
) -> None:
    parameters = tmp_path / "player.yaml"
    parameters.write_text("/**: {ros__parameters: {synthetic_frames: 3}}", encoding="utf-8")
    launched = launch_for_real(
        "demo.launch.py", player_params_file=str(parameters), loop="false", weights="random", device="cpu"
    )
    assert launched.process.wait(START_TIMEOUT) == 0
    assert "the player has played everything" in launched.output()
    assert launched.output().count("process has finished cleanly") == 2


@needs_launch
def test_an_unknown_argument_is_named(launch_for_real: Callable[..., Launched]) -> None:
    launched = launch_for_real("demo.launch.py", imgae="/x")
    assert launched.process.wait(START_TIMEOUT) == 1
    assert "unknown argument imgae (did you mean image?)" in launched.output()


@needs_launch
@pytest.mark.skipif(shutil.which("rviz2") is not None, reason="rviz2 is installed")
def test_without_rviz_a_line_says_how_to_install_it(launch_for_real: Callable[..., Launched]) -> None:
    launched = launch_for_real("perception.launch.py", rviz="true", weights="random")
    deadline = time.monotonic() + START_TIMEOUT
    while "rviz2 is not installed" not in launched.output():
        assert time.monotonic() < deadline, launched.output()
        time.sleep(0.1)
    assert launched.interrupt() == 0
