"""mapping.launch.py: what it takes and hands on, and, where launch is installed, started for real."""

from __future__ import annotations

import ast
import importlib.util
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import psutil
import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
LAUNCH_FILE = REPOSITORY / "launch" / "mapping.launch.py"
RVIZ = REPOSITORY / "config" / "mapping.rviz"
START_TIMEOUT = 120.0

# `launch` itself is no proof: a folder of that name lies in this checkout.
HAS_LAUNCH = importlib.util.find_spec("launch_ros") is not None and shutil.which("ros2") is not None
needs_launch = pytest.mark.skipif(
    not HAS_LAUNCH, reason="launch, launch_ros and ros2 launch come with a ROS 2 distribution, not from PyPI"
)


def constant(name: str) -> Any:
    """A literal of the launch file, read without running it."""
    tree = ast.parse(LAUNCH_FILE.read_text(encoding="utf-8"))
    (value,) = (
        node.value for node in tree.body if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == name
    )
    return value


def test_every_argument_is_described() -> None:
    table = constant("ARGUMENTS")
    described = {
        ast.literal_eval(key): ast.literal_eval(value.elts[1])
        for key, value in zip(table.keys, table.values, strict=True)
    }
    assert {"odom", "pose_source", "camera_in_base", "map_frame", "mapping_params_file"} <= described.keys()
    assert all(len(text) > 10 for text in described.values())


def test_rviz_shows_every_output_as_it_is_published() -> None:
    manager = yaml.safe_load(RVIZ.read_text(encoding="utf-8"))["Visualization Manager"]
    topics = {item["Topic"]["Value"]: item["Topic"] for item in manager["Displays"]}
    assert set(topics) == {f"/{topic}" for topic in ast.literal_eval(constant("SHOWN_TOPICS"))}
    assert {topic["Durability Policy"] for topic in topics.values()} == {"Transient Local"}
    assert {topic["Reliability Policy"] for topic in topics.values()} == {"Reliable"}


# --- with launch ---


@pytest.fixture
def mapping_launch() -> ModuleType:
    """The module mapping.launch.py."""
    spec = importlib.util.spec_from_file_location("mapping_launch", LAUNCH_FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def values(module: ModuleType, **given: str) -> Any:
    """The arguments of a launch, defaults where not given."""
    from launch import LaunchContext

    context = LaunchContext()
    defaults = {name: default for name, (default, _) in (module.perception.ARGUMENTS | module.ARGUMENTS).items()}
    context.launch_configurations.update(defaults | given)
    return module.Values(context)


@needs_launch
def test_the_extrinsic_is_read_as_it_is_written_anywhere(mapping_launch: ModuleType) -> None:
    for text in ("0.1 0 0.4 -0.5 0.5 -0.5 0.5", "[0.1, 0, 0.4, -0.5, 0.5, -0.5, 0.5]"):
        assert values(mapping_launch, camera_in_base=text).numbers("camera_in_base") == [
            *(0.1, 0.0, 0.4),
            *(-0.5, 0.5, -0.5, 0.5),
        ]
    assert values(mapping_launch).numbers("camera_in_base") is None
    with pytest.raises(ValueError, match="camera_in_base:=ahead"):
        values(mapping_launch, camera_in_base="ahead").numbers("camera_in_base")


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
