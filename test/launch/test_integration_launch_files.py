"""The integrations' launch files, started for real where launch is installed, with stand-ins for the consumers.

No consumer can be installed here. A stand-in is a package with the names that the launch file needs, whose executables
write down how they were started: what launch hands over is then exactly what the consumer's own would get.
"""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import consumer_packages
import launch_stand_in
import pytest
import yaml
from ament_index_python.packages import get_package_share_directory
from ament_prefix import Prefix

from cinet_ros.integrations import wiring

REPOSITORY = Path(__file__).resolve().parents[2]
LAUNCH_FILES = sorted(path.name for path in (REPOSITORY / "launch" / "integrations").glob("*.launch.py"))
TIMEOUT = 60.0

needs_launch = pytest.mark.skipif(
    not launch_stand_in.has_ros2_launch(),
    reason="launch, launch_ros and ros2 launch come with a ROS 2 distribution, not from PyPI",
)


@pytest.mark.parametrize("name", LAUNCH_FILES)
def test_files_are_installed(name: str) -> None:
    share = Path(get_package_share_directory("cinet_ros"))
    assert (share / "launch" / "integrations" / name).is_file(), "run `make setup`"
    for path in (REPOSITORY / "config" / "integrations").iterdir():
        assert (share / "config" / "integrations" / path.name).is_file(), f"{path.name}: run `make setup`"


@pytest.fixture
def prefix(tmp_path: Path) -> Prefix:
    return Prefix(tmp_path / "prefix")


@pytest.fixture
def started(prefix: Prefix, tmp_path: Path) -> Callable[..., dict[str, list[str]]]:
    """Start a launch file without the perception node until its executables have run; return their arguments."""

    def start(launch_file: str, *executables: str, **arguments: str) -> dict[str, list[str]]:
        given = [f"{key}:={value}" for key, value in {"perception": "false", **arguments}.items()]
        log = tmp_path / "launch.log"
        with log.open("w", encoding="utf-8") as stream:
            process = subprocess.Popen(
                ["ros2", "launch", "cinet_ros", launch_file, *given],
                stdout=stream,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=os.environ
                | {
                    "AMENT_PREFIX_PATH": prefix.path(),
                    "ROS_LOG_DIR": str(tmp_path / "ros_log"),
                },
                start_new_session=True,  # a SIGINT meant for it must not reach pytest
            )
        records = {name: prefix.record(name) for name in executables}
        deadline = time.monotonic() + TIMEOUT
        try:
            # a SIGINT between a process's start and launch's own note of it would leave launch waiting for ever
            while log.read_text().count("process started with pid") < len(executables) or not all(
                record.exists() and record.read_text() for record in records.values()
            ):
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.1)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(TIMEOUT)
        return {name: record.read_text().splitlines() for name, record in records.items()}

    return start


def remappings(arguments: list[str]) -> dict[str, str]:
    """What ``-r FROM:=TO`` tell a node, without names and namespaces."""
    pairs = [after for flag, after in itertools.pairwise(arguments) if flag == "-r"]
    return dict(pair.split(":=") for pair in pairs if not pair.startswith("__"))


def parameters(arguments: list[str]) -> dict[str, Any]:
    """What parameter files say that still exist: those of launch's own are removed with it."""
    files = [after for flag, after in itertools.pairwise(arguments) if flag == "--params-file"]
    values: dict[str, Any] = {}
    for name in files:
        if Path(name).is_file():
            for section in yaml.safe_load(Path(name).read_text(encoding="utf-8")).values():
                values.update(section["ros__parameters"])
    return values


@needs_launch
def test_rtabmap(prefix: Prefix, started: Callable[..., dict[str, list[str]]]) -> None:
    consumer_packages.add_rtabmap(prefix)
    got = started(
        "rtabmap.launch.py",
        "rgbd_odometry",
        "rtabmap",
        "static_transform_publisher",
        namespace="robot",
        camera="front",
        optical_frame="front_optical",
        delete_db="true",
    )
    wires = wiring.resolved(wiring.RTABMAP, "robot", "front")
    assert wires["rgb/image"] == "/robot/front/rgb/image_rect"
    for name in ("rgbd_odometry", "rtabmap"):
        assert remappings(got[name]) == wires
        assert parameters(got[name])["approx_sync"] is False
    assert "--delete_db_on_start" in got["rtabmap"]
    transform = got["static_transform_publisher"]
    assert transform[transform.index("--frame-id") + 1] == "camera_link"
    assert transform[transform.index("--child-frame-id") + 1] == "front_optical"


@needs_launch
def test_hydra(prefix: Prefix, started: Callable[..., dict[str, list[str]]]) -> None:
    consumer_packages.add_hydra(prefix)
    got = started("hydra.launch.py", "hydra_ros_node", robot_frame="body")["hydra_ros_node"]
    assert remappings(got) == wiring.resolved(wiring.HYDRA)
    files = [Path(item) for item in got[:3]]
    assert [path.name for path in files] == ["hydra_input.yaml", "kimera_multi_rgbd.yaml", "hydra_label_space.yaml"]
    assert all(path.is_file() for path in files)
    assert Path(yaml.safe_load(got[3])["semantic_colormap_file"]).name == "hydra_colors.csv"
    assert got[4:6] == ["body", "odom"]


@needs_launch
def test_nvblox(prefix: Prefix, started: Callable[..., dict[str, list[str]]]) -> None:
    consumer_packages.add_nvblox(prefix)
    got = started("nvblox.launch.py", "nvblox_node", global_frame="map")["nvblox_node"]
    assert remappings(got) == wiring.resolved(wiring.NVBLOX)
    assert parameters(got)["mapping_type"] == "human_with_static_tsdf"


@needs_launch
def test_nav2(prefix: Prefix, started: Callable[..., dict[str, list[str]]]) -> None:
    consumer_packages.add_nav2(prefix)
    merged, use_sim_time, autostart = started("nav2.launch.py", "navigation", namespace="robot")["navigation"][:3]
    values = yaml.safe_load(Path(merged).read_text(encoding="utf-8"))["local_costmap"]["local_costmap"]
    Path(merged).unlink()
    layer = values["ros__parameters"]["semantic_layer"]
    assert values["ros__parameters"]["plugins"] == ["semantic_layer", "inflation_layer"]
    topics = wiring.resolved(wiring.NAV2, "robot")
    assert {name: layer["cinet"][name] for name in topics} == topics
    assert (use_sim_time, autostart) == ("false", "true")


@needs_launch
@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("rtabmap.launch.py", "apt install ros-"),
        ("hydra.launch.py", "build it"),
        ("nvblox.launch.py", "apt install"),
        ("nav2.launch.py", "apt install"),
    ],
)
def test_a_consumer_that_is_missing_is_named_with_the_remedy(name: str, remedy: str, tmp_path: Path) -> None:
    done = subprocess.run(
        ["ros2", "launch", "cinet_ros", name, "perception:=false"],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
        env=os.environ | {"ROS_LOG_DIR": str(tmp_path)},
    )
    assert done.returncode != 0
    assert "is not installed" in done.stdout + done.stderr
    assert remedy in done.stdout + done.stderr
