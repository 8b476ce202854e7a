"""mapping.launch.py, started for real where launch is installed; test_launch_descriptions.py has what it hands on."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import launch_stand_in
import psutil
import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
LAUNCH_FILE = REPOSITORY / "launch" / "mapping.launch.py"
RVIZ = REPOSITORY / "config" / "mapping.rviz"
START_TIMEOUT = 120.0

needs_launch = pytest.mark.skipif(
    not launch_stand_in.has_ros2_launch(),
    reason="launch, launch_ros and ros2 launch come with a ROS 2 distribution, not from PyPI",
)


def test_rviz_shows_every_output_as_it_is_published() -> None:
    manager = yaml.safe_load(RVIZ.read_text(encoding="utf-8"))["Visualization Manager"]
    topics = {item["Topic"]["Value"]: item["Topic"] for item in manager["Displays"]}
    objects = "/mapping/objects/markers"
    assert set(topics) == {"/map/points", "/map/occupancy", "/map/markers", objects}
    latched = {name: topic["Durability Policy"] == "Transient Local" for name, topic in topics.items()}
    assert latched == {name: name != objects for name in topics}
    assert {topic["Reliability Policy"] for topic in topics.values()} == {"Reliable"}


@needs_launch
def test_mapper_and_perception_start_and_end_together(tmp_path: Path) -> None:
    log = tmp_path / "launch.log"
    arguments = {
        "camera_in_base": "0.1 0 0.4 -0.5 0.5 -0.5 0.5",
        "odom": "/wheels/odometry",
        "source": "synthetic",
        "weights": "random",
        "namespace": "robot",
    }
    with log.open("w", encoding="utf-8") as stream:
        process = subprocess.Popen(
            ["ros2", "launch", "cinet_ros", LAUNCH_FILE.name, *(f"{key}:={value}" for key, value in arguments.items())],
            stdout=stream,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=os.environ | {"ROS_LOG_DIR": str(tmp_path / "ros_log")},
            start_new_session=True,  # a SIGINT meant for it must not reach pytest
        )
    try:
        deadline = time.monotonic() + START_TIMEOUT
        # nobody publishes odometry: the mapper says so by its remapped and resolved name
        while "/wheels/odometry" not in (text := log.read_text(encoding="utf-8")):
            assert process.poll() is None, text
            assert time.monotonic() < deadline, text
            time.sleep(0.2)
        assert "[robot.mapping]: configured" in text
        children = psutil.Process(process.pid).children(recursive=True)
        assert len(children) == 3, text
        process.send_signal(signal.SIGINT)
        process.wait(60)
        text = log.read_text(encoding="utf-8")
        assert text.count("process has finished cleanly") == 3, text
    finally:
        if process.poll() is None:
            for child in psutil.Process(process.pid).children(recursive=True):
                child.kill()
            process.kill()
            process.wait()
