"""scripts/install.sh: its plan for a robot, and what it says where it cannot work."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "install.sh"

pytestmark = pytest.mark.skipif(shutil.which("colcon") is None, reason="colcon is not installed")


def run(*arguments: str, script: Path = SCRIPT, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {key: value for key, value in os.environ.items() if key != "ROS_DISTRO"}
    return subprocess.run(
        [str(script), *arguments], env=inherited | environment, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What the script reads of this repository, in the src folder of a workspace."""
    checkout = tmp_path / "ws" / "src" / "perception" / "cinet"
    (checkout / "scripts").mkdir(parents=True)
    for name in (
        "scripts/install.sh",
        "scripts/constraints.txt",
        "scripts/runtime.txt",
        "setup.py",
        "README.md",
        "pyproject.toml",
    ):
        shutil.copy(SCRIPT.parent.parent / name, checkout / name)
    return checkout


def plan(checkout: Path, site: Path, *options: str, **environment: str) -> str:
    """The plan of a machine whose Python packages include those in `site`, and no other torch or OpenCV."""
    site.mkdir(exist_ok=True)
    (site / "sitecustomize.py").write_text(HIDE, encoding="utf-8")
    # the real one needs the real NumPy, and whether it is there is not what is tested here
    (site / "rclpy.py").touch()
    python_path = f"{site}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    script = checkout / "scripts" / "install.sh"
    variables = {"ROS_DISTRO": "humble", "PYTHONPATH": python_path} | environment
    result = run("--dry-run", *options, script=script, **variables)
    assert result.returncode == 0, result.stderr
    assert "only humble" not in result.stderr
    return result.stdout


def with_program(folder: Path, name: str, text: str) -> dict[str, str]:
    """PATH with a program of that name first on it."""
    folder.mkdir()
    (folder / name).write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    (folder / name).chmod(0o755)
    return {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}


# Importing the real ones would take many seconds, and a robot has others.
HIDE = """
import importlib.util
import pathlib
real = importlib.util.find_spec
here = pathlib.Path(__file__).parent
def find_spec(name, package=None):
    if name in ("torch", "torchvision", "cv2") and not (here / name).is_dir():
        return None
    return real(name, package)
importlib.util.find_spec = find_spec
"""


def add_package(site: Path, module: str, version: str, distribution: str = "") -> None:
    """Put an importable package into a folder; with the metadata that pip reads where a distribution is named."""
    (site / module).mkdir(parents=True)
    (site / module / "__init__.py").write_text(f"__version__ = {version!r}\n", encoding="utf-8")
    if distribution:
        metadata = site / f"{distribution}-{version}.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n", encoding="utf-8"
        )


def pip_command(text: str) -> str:
    """The line that installs the dependencies."""
    (command,) = (line for line in text.splitlines() if "pip install" in line and "timm" in line)
    return command


def test_plan_uses_the_workspace_around_the_checkout(checkout: Path, tmp_path: Path) -> None:
    workspace = checkout.parents[2]
    before = sorted(workspace.rglob("*"))
    text = plan(checkout, tmp_path / "site")
    assert f"python3 -m venv --system-site-packages {workspace}/.cinet-venv" in text
    assert f"-DCINET_PYTHON={workspace}/.cinet-venv/bin/python" in text
    assert f"source {workspace}/install/setup.bash" in text
    assert sorted(workspace.rglob("*")) == before  # a dry run changes nothing


def test_plan_installs_what_is_missing(checkout: Path, tmp_path: Path) -> None:
    command = pip_command(plan(checkout, tmp_path / "site"))
    for name in ("torch", "torchvision", "timm", "safetensors", "rosbags"):
        assert f" {name}\\>=" in command
    assert "ros-rclpy" not in command  # the distribution's


def test_opencv_is_the_build_without_windows(checkout: Path, tmp_path: Path) -> None:
    assert " opencv-python-headless\\>=" in pip_command(plan(checkout, tmp_path / "site"))


@pytest.mark.parametrize("distribution", ["humble", "jazzy", "kilted", "lyrical"])
def test_distributions_are_known(checkout: Path, tmp_path: Path, distribution: str) -> None:
    assert f"ROS 2 {distribution}," in plan(checkout, tmp_path / "site", ROS_DISTRO=distribution)


def test_dependencies_alone_need_no_source(checkout: Path, tmp_path: Path) -> None:
    text = plan(checkout, tmp_path / "site", "--dependencies-only")
    assert "timm" in pip_command(text)
    assert not any(word in text for word in ("colcon build", "--editable"))


def test_the_light_runtime_brings_no_torch(checkout: Path, tmp_path: Path) -> None:
    text = plan(checkout, tmp_path / "site", "--runtime")
    assert "pip install --disable-pip-version-check -r " in text
    assert "scripts/runtime.txt" in text
    assert "colcon build" in text
    assert not any(word in text for word in ("timm", "torchvision", "open3d"))


def test_a_robots_own_opencv_stays_in_the_light_runtime(checkout: Path, tmp_path: Path) -> None:
    add_package(tmp_path / "site", "cv2", "4.8.0")
    text = plan(checkout, tmp_path / "site", "--runtime")
    assert "scripts/runtime.txt without opencv-python-headless" in text


def test_tests_bring_what_they_need(checkout: Path, tmp_path: Path) -> None:
    rosdep = with_program(tmp_path / "bin", "rosdep", "exit 0")
    without, with_tests = (plan(checkout, tmp_path / "site", *options, **rosdep) for options in ((), ("--tests",)))
    assert " pytest\\>=" in pip_command(with_tests)
    assert " pytest" not in pip_command(without)
    assert "--dependency-types=exec" in without
    assert "--dependency-types=test" not in without
    assert "--dependency-types=test" in with_tests


def test_colcon_without_cmake_is_said_before_anything_is_downloaded(checkout: Path, tmp_path: Path) -> None:
    colcon = with_program(tmp_path / "bin", "colcon", "echo usage: colcon build --paths")
    with pytest.raises(AssertionError, match="its extension for CMake"):
        plan(checkout, tmp_path / "site", **colcon)


def test_plan_keeps_a_vendors_build(checkout: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    add_package(site, "torch", "2.3.0a0+6ddf5cf85e.nv24.4", "torch")
    add_package(site, "torchvision", "0.18.0a0", "torchvision")
    add_package(site, "cv2", "4.8.0")
    text = plan(checkout, site)
    command = pip_command(text)
    assert not any(name in command for name in (" torch", "torchvision", "opencv-python"))
    # and nothing that pip installs may pull another one in
    assert "with torch==2.3.0a0+6ddf5cf85e.nv24.4 torchvision==0.18.0a0" in text


def test_a_broken_torch_is_not_covered_up(checkout: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    add_package(site, "torch", "2.3.0")
    (site / "torch" / "__init__.py").write_text("raise OSError('libcudart.so.12')\n", encoding="utf-8")
    with pytest.raises(AssertionError, match=r"torch is there but cannot be imported \(libcudart\.so\.12\)"):
        plan(checkout, site)


def test_plan_keeps_numpy_1(checkout: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    add_package(site, "numpy", "1.21.5")
    text = plan(checkout, site)
    assert "NumPy stays below 2" in text
    assert "with numpy>=1.21,<2 opencv-python-headless<4.12" in text


def test_environment_inside_the_package_is_refused(checkout: Path) -> None:
    result = run(
        "--dry-run", "--venv", str(checkout / "venv"), script=checkout / "scripts" / "install.sh", ROS_DISTRO="jazzy"
    )
    assert result.returncode == 1
    assert "inside the package folder" in result.stderr


def test_no_distribution_is_explained() -> None:
    result = run("--dry-run")
    assert result.returncode == 1
    assert "ROS_DISTRO" in result.stderr or "no ROS 2 distribution" in result.stderr


def test_help_and_unknown_options() -> None:
    helped = run("--help")
    assert helped.returncode == 0
    options = "--workspace --venv --pypi-torch --tests --no-rosdep --dependencies-only --dry-run"
    for option in options.split():
        assert option in helped.stdout
    assert run("--frobnicate").returncode == 1
