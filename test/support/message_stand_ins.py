"""Messages of a ROS distribution that no wheel has, wire-identical, built once with colcon.

For tests of what a node does where they are installed. A process that is to have them needs `environment` from its
start on: the loader reads LD_LIBRARY_PATH only then.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ament_index_python.packages import get_package_share_directory

CACHE = Path(__file__).resolve().parents[2] / ".ros" / "message_stand_ins"
BUILD_TIMEOUT = 600.0

# Package -> message -> definition.
DEFINITIONS: dict[str, dict[str, str]] = {
    "bond": {
        "Constants": """\
float32 DEAD_PUBLISH_PERIOD = 0.05
float32 DEFAULT_CONNECT_TIMEOUT = 10.0
float32 DEFAULT_HEARTBEAT_TIMEOUT = 4.0
float32 DEFAULT_DISCONNECT_TIMEOUT = 2.0
float32 DEFAULT_HEARTBEAT_PERIOD = 1.0
string DISABLE_HEARTBEAT_TIMEOUT_PARAM=/bond_disable_heartbeat_timeout
""",
        "Status": """\
std_msgs/Header header
string id
string instance_id
bool active
float32 heartbeat_timeout
float32 heartbeat_period
""",
    },
    "vision_msgs": {
        "BoundingBox3D": """\
geometry_msgs/Pose center
geometry_msgs/Vector3 size
""",
        "Detection3D": """\
std_msgs/Header header
ObjectHypothesisWithPose[] results
BoundingBox3D bbox
string id
""",
        "Detection3DArray": """\
std_msgs/Header header
vision_msgs/Detection3D[] detections
""",
        "LabelInfo": """\
std_msgs/Header header
vision_msgs/VisionClass[] class_map
float32 threshold
""",
        "ObjectHypothesis": """\
string class_id
float64 score
""",
        "ObjectHypothesisWithPose": """\
vision_msgs/ObjectHypothesis hypothesis
geometry_msgs/PoseWithCovariance pose
""",
        "VisionClass": """\
uint16 class_id
string class_name
""",
    },
}

_CMAKE = """\
cmake_minimum_required(VERSION 3.16)
project({package} LANGUAGES C CXX)
find_package(ament_cmake REQUIRED)
find_package(rosidl_default_generators REQUIRED)
find_package(std_msgs REQUIRED)
find_package(geometry_msgs REQUIRED)
rosidl_generate_interfaces(${{PROJECT_NAME}} {files} DEPENDENCIES std_msgs geometry_msgs)
ament_package()
"""
_MANIFEST = """\
<?xml version="1.0"?>
<package format="3">
  <name>{package}</name>
  <version>0.0.0</version>
  <description>Stand-in for the tests of cinet_ros</description>
  <maintainer email="maintainers@cinet.invalid">CI-Net for ROS 2 maintainers</maintainer>
  <license>Apache-2.0</license>
  <buildtool_depend>ament_cmake</buildtool_depend>
  <buildtool_depend>rosidl_default_generators</buildtool_depend>
  <depend>std_msgs</depend>
  <depend>geometry_msgs</depend>
  <exec_depend>rosidl_default_runtime</exec_depend>
  <member_of_group>rosidl_interface_packages</member_of_group>
  <export><build_type>ament_cmake</build_type></export>
</package>
"""


def environment() -> dict[str, str]:
    """Variables with which a process can import the messages of all the packages; none where they are installed.

    One build for all who ask. Skips the test where it would have to be done, and cannot be.
    """
    wanted = sorted(package for package in DEFINITIONS if importlib.util.find_spec(package) is None)
    if not wanted:
        return {}
    if shutil.which("colcon") is None:
        pytest.skip(f"{', '.join(wanted)} are not installed, and there is no colcon to build stand-ins of them")
    prefix = _built(wanted)
    (site_packages,) = prefix.glob("**/site-packages")
    more = {"AMENT_PREFIX_PATH": prefix, "LD_LIBRARY_PATH": prefix / "lib", "PYTHONPATH": site_packages}
    return {name: os.pathsep.join([str(path), *filter(None, [os.environ.get(name)])]) for name, path in more.items()}


def _built(packages: list[str]) -> Path:
    """Folder that they are installed in, built there by whoever comes first, of all workers and runs."""
    share = Path(get_package_share_directory("rclpy"))
    # what they are made of, for which Python, and for which ROS: another may come to lie at the same place
    ros = (share / "package.xml").read_text(encoding="utf-8")
    parts = [sys.version, str(share), ros, *(f"{name} {DEFINITIONS[name]}" for name in packages)]
    state = hashlib.sha256("\0".join(parts).encode())
    place = CACHE / state.hexdigest()[:16]
    place.mkdir(parents=True, exist_ok=True)
    prefix, done = place / "install", place / "done"
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            _build(packages, place, prefix)
            done.touch()
    return prefix


def _build(packages: list[str], place: Path, prefix: Path) -> None:
    for name in packages:
        source = place / "src" / name
        (source / "msg").mkdir(parents=True, exist_ok=True)
        for message, definition in DEFINITIONS[name].items():
            (source / "msg" / f"{message}.msg").write_text(definition, encoding="utf-8")
        files = " ".join(f"msg/{message}.msg" for message in DEFINITIONS[name])
        (source / "CMakeLists.txt").write_text(_CMAKE.format(package=name, files=files), encoding="utf-8")
        (source / "package.xml").write_text(_MANIFEST.format(package=name), encoding="utf-8")
    command = ["colcon", "--log-base", str(place / "log"), "build", "--base-paths", str(place / "src")]
    command += ["--build-base", str(place / "build"), "--install-base", str(prefix), "--merge-install"]
    command += ["--cmake-args", f"-DPython3_EXECUTABLE={sys.executable}", "-DBUILD_TESTING=OFF"]
    paths = {"CMAKE_PREFIX_PATH": os.environ.get("AMENT_PREFIX_PATH", "")}
    done = subprocess.run(
        command, env=os.environ | paths, capture_output=True, text=True, timeout=BUILD_TIMEOUT, check=False
    )
    assert done.returncode == 0, f"stand-ins of {packages} cannot be built:\n{done.stdout}\n{done.stderr}"
