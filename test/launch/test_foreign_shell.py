"""scripts/env.sh in the shell of a ROS user: what belongs to another ROS is taken out of the environment, and said."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
SHELLS = [name for name in ("bash", "dash") if shutil.which(name)]

# What the shells of ROS users hold: another middleware, discovery by a server, security, a sourced overlay.
FOREIGN = {
    "RMW_IMPLEMENTATION": "rmw_cyclonedds_cpp",
    "ROS_DISCOVERY_SERVER": "127.0.0.1:11811",
    "ROS_AUTOMATIC_DISCOVERY_RANGE": "OFF",
    "ROS_SECURITY_ENABLE": "true",
    "ROS_LOCALHOST_ONLY": "1",
    "FASTRTPS_DEFAULT_PROFILES_FILE": "/home/me/profile.xml",
    "ROS_DISTRO": "humble",
    "AMENT_PREFIX_PATH": "/home/me/ws/install:/opt/ros/humble",
    "PYTHONPATH": "/home/me/ws/install/lib/python3/site-packages",
    "LD_LIBRARY_PATH": "/home/me/ws/install/lib:/opt/ros/humble/lib:/usr/local/cuda/lib64",
}


def after(given: dict[str, str], shell: str = "bash", script: str = "scripts/env.sh") -> tuple[dict[str, str], str]:
    """The environment after a script was sourced, and what it said."""
    plain = {name: os.environ[name] for name in ("HOME", "PATH") if name in os.environ}
    chosen = {"CINET_ENVIRONMENT": os.environ.get("CINET_ENVIRONMENT", "")}
    run = subprocess.run(
        [shell, "-e", "-c", f". {script} && env -0"],
        cwd=REPOSITORY,
        env=plain | chosen | given,
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(line.split("=", 1) for line in run.stdout.split("\0") if "=" in line), run.stderr


@pytest.mark.parametrize("shell", SHELLS)
def test_nothing_of_another_ros_stays(shell: str) -> None:
    environment, _ = after(FOREIGN, shell)
    assert environment["RMW_IMPLEMENTATION"] == "rmw_fastrtps_cpp"
    assert environment["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "LOCALHOST"
    assert environment["ROS_DISTRO"] in ("jazzy", "kilted")
    profiles = {value for name, value in environment.items() if name.endswith("_DEFAULT_PROFILES_FILE")}
    assert profiles == {str(REPOSITORY / "config" / "fastdds.xml")}
    for name in ("ROS_DISCOVERY_SERVER", "ROS_SECURITY_ENABLE", "ROS_LOCALHOST_ONLY"):
        assert name not in environment
    for name in ("AMENT_PREFIX_PATH", "PYTHONPATH", "LD_LIBRARY_PATH"):
        assert "/home/me" not in environment[name]
        assert "humble" not in environment[name]
    assert environment["LD_LIBRARY_PATH"].endswith(":/usr/local/cuda/lib64"), "what is not of ROS stays"


def test_it_says_what_is_not_used() -> None:
    _, said = after(FOREIGN)
    for name in set(FOREIGN) - {"ROS_DISTRO"}:  # which the overlay's folders tell
        assert name in said
    assert after(FOREIGN | {"CINET_QUIET": "1"})[1] == ""


def test_an_environment_that_was_entered_before_is_no_foreign_one() -> None:
    once, said = after({})
    assert said == ""
    twice, said = after(once)
    assert said == ""
    keys = ("PYTHONPATH", "AMENT_PREFIX_PATH", "LD_LIBRARY_PATH", "RMW_IMPLEMENTATION")
    assert {key: twice[key] for key in keys} == {key: once[key] for key in keys}


def test_from_another_folder_it_says_where_to_source_it(tmp_path: Path) -> None:
    command = ["bash", "-c", f". {REPOSITORY}/scripts/env.sh && echo entered"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (1, "")
    assert f"nothing is set up in {tmp_path}: source this from the checkout, after `make setup`" in run.stderr


def test_a_log_folder_that_cannot_be_made_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert after({"ROS_LOG_DIR": str(tmp_path / "log")})[0]["ROS_LOG_DIR"] == str(tmp_path / "log")
    assert after({"ROS_LOG_DIR": str(tmp_path / "file" / "log")})[0]["ROS_LOG_DIR"].startswith(str(REPOSITORY))


def test_nodes_of_a_ros_users_shell_find_each_other(tmp_path: Path) -> None:
    """A foreign rclpy that raises when it is imported comes first on PYTHONPATH."""
    (tmp_path / "rclpy").mkdir()
    (tmp_path / "rclpy" / "__init__.py").write_text("raise ImportError('of another ROS')\n", encoding="utf-8")
    environment, _ = after(FOREIGN | {"PYTHONPATH": str(tmp_path)})
    program = f"""
import rclpy
from std_msgs.msg import Empty

assert rclpy.__file__.startswith({environment["VIRTUAL_ENV"]!r}), rclpy.__file__
rclpy.init()
node, received = rclpy.create_node("alone"), []
node.create_subscription(Empty, "topic", received.append, 1)
publisher = node.create_publisher(Empty, "topic", 1)
for _ in range(100):
    publisher.publish(Empty())
    rclpy.spin_once(node, timeout_sec=0.1)
    if received:
        break
assert received
"""
    domain = {"ROS_DOMAIN_ID": os.environ["ROS_DOMAIN_ID"]}
    subprocess.run(
        [f"{environment['VIRTUAL_ENV']}/bin/python", "-c", program], env=environment | domain, check=True, timeout=60
    )
