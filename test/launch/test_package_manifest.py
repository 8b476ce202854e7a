"""package.xml: what rosdep and colcon read of it, against what the code imports."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from cinet_core import __version__

package = pytest.importorskip("catkin_pkg.package", reason="catkin_pkg comes with colcon")

ROOT = Path(__file__).resolve().parents[2]
# Python module -> package of ROS that brings it, where the names differ.
PACKAGES = {"tf2_ros": "tf2_ros_py"}
# By pip, into the environment of scripts/install.sh, or only by another name in rosdep.
NOT_OF_ROS = {
    "torch",
    "cv2",
    "numpy",
    "yaml",
    "PIL",
    "rosbags",
    "rerun",
    "safetensors",
    "scipy",
    "rich",
    "timm",
}


@pytest.fixture(scope="module")
def manifest() -> package.Package:
    return package.parse_package(str(ROOT / "package.xml"))


def imported(folder: Path) -> set[str]:
    """First names of everything that the Python files below a folder import, wherever in the file."""
    names = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {item.name.split(".")[0] for item in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names.add(node.module.split(".")[0])
    return names


def test_every_ros_package_that_is_imported_is_a_dependency(manifest: package.Package) -> None:
    used = imported(ROOT / "cinet_ros") | imported(ROOT / "launch")
    ours = {"cinet_ros", "cinet_core"}
    wanted = {PACKAGES.get(name, name) for name in used - set(sys.stdlib_module_names) - ours - NOT_OF_ROS}
    assert {"rclpy", "sensor_msgs", "launch_ros"} <= wanted
    assert wanted - {item.name for item in manifest.exec_depends} == set()


def test_it_is_what_tools_expect(manifest: package.Package) -> None:
    warnings: list[str] = []
    manifest.validate(warnings=warnings)
    assert warnings == []
    assert {item.type for item in manifest.urls} == {"website", "repository", "bugtracker"}
    assert {item.name for item in manifest.test_depends} >= {"python3-pytest"}
    assert manifest.version == __version__
