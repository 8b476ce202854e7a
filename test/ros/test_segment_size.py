"""Shared memory of the size of what a process sends: the variable, the kinds of nodes, and Fast DDS itself."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cinet_ros import mapping_node, node_process, viewer_node
from cinet_ros.fast_dds import (
    LARGEST_SEGMENT,
    LOCALHOST_PROFILE,
    PROFILE,
    SEGMENT_VARIABLE,
    profile_variable,
    segment_size,
    sized_segment,
)
from cinet_ros.shared_memory import SHARED_MEMORY

CONFIG = Path(__file__).resolve().parents[2] / "config"
VARIABLE = profile_variable(os.environ.get("ROS_DISTRO", ""))
MEBIBYTE = 2**20

# Prints the largest segment of a process with a node, its resident shared memory, and the profile that is named after.
MEASURE = """
import os, re, sys
import rclpy
from cinet_ros.fast_dds import segment_size, sized_segment
rclpy.init()
with sized_segment(os.environ, segment_size(os.environ, None)):
    node = rclpy.create_node("segment_size")
sizes = [0]
for line in open("/proc/self/maps"):
    if re.search(r"/dev/shm/fast(dds|rtps)_[0-9a-f]+$", line):
        low, high = (int(value, 16) for value in line.split()[0].split("-"))
        sizes.append(high - low)
resident = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("RssShmem"))
print(max(sizes), resident * 1024, os.environ[sys.argv[1]])
node.destroy_node()
rclpy.shutdown()
"""


def segment_of_process(**environment: str) -> tuple[int, int, str]:
    """Bytes of the segment of a process with a node, its resident shared memory, and its profile afterwards."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, VARIABLE],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    size, resident, profile = done.stdout.split(maxsplit=2)
    return int(size), int(resident), profile.strip()


@pytest.mark.skipif(not SHARED_MEMORY.is_dir(), reason=f"there is no {SHARED_MEMORY}")
def test_fast_dds_takes_what_the_variable_says_and_no_more() -> None:
    for asked in (8, 200):
        size, resident, profile = segment_of_process(**{SEGMENT_VARIABLE: str(asked)})
        assert asked * MEBIBYTE <= size < 1.1 * asked * MEBIBYTE, "with what Fast DDS manages it by"
        assert resident <= size + 8 * MEBIBYTE, "with the ports of the transport"
        assert profile == os.environ[VARIABLE]


@pytest.mark.skipif(not SHARED_MEMORY.is_dir(), reason=f"there is no {SHARED_MEMORY}")
def test_without_the_variable_the_profile_stays_as_it_is() -> None:
    size, _, _ = segment_of_process()
    assert 128 * MEBIBYTE <= size < 1.1 * 128 * MEBIBYTE


@pytest.mark.parametrize("name", [PROFILE, LOCALHOST_PROFILE])
def test_a_copy_of_our_profile_differs_by_its_size_alone(name: str) -> None:
    environment = {"ROS_DISTRO": "jazzy", (variable := profile_variable("jazzy")): str(CONFIG / name)}
    with sized_segment(environment, 16):
        copy = Path(environment[variable])
        text = copy.read_text(encoding="utf-8")
    assert not copy.exists()
    assert environment[variable] == str(CONFIG / name)
    assert text.replace(str(16 * MEBIBYTE), str(128 * MEBIBYTE)) == (CONFIG / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("content", [None, "", "<profiles/>", b"\xff\xfe"])
def test_a_profile_of_the_users_own_is_left_alone(content: str | bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "own.xml"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    environment = {profile_variable(""): str(path)}
    with sized_segment(environment, 16):
        assert environment == {profile_variable(""): str(path)}
    with sized_segment(nothing := {}, 16):
        assert nothing == {}


def test_the_profile_is_named_again_where_the_node_is_refused() -> None:
    environment = {profile_variable(""): str(CONFIG / PROFILE)}
    with pytest.raises(ValueError, match="refused"), sized_segment(environment, 16):
        raise ValueError("refused")
    assert environment == {profile_variable(""): str(CONFIG / PROFILE)}


def test_the_variable_wins_over_what_a_kind_of_node_has() -> None:
    assert segment_size({}, None) is None
    assert segment_size({}, viewer_node.SHARED_MEMORY) == viewer_node.SHARED_MEMORY < mapping_node.SHARED_MEMORY
    assert segment_size({SEGMENT_VARIABLE: " 32 "}, viewer_node.SHARED_MEMORY) == 32
    assert segment_size({SEGMENT_VARIABLE: ""}, 8) == 8


@pytest.mark.fault(
    area="machine",
    fault="size of the shared memory that is none",
    injected=f"{SEGMENT_VARIABLE} of 0, -1, 1.5, words, a number of 10,000 digits, {LARGEST_SEGMENT + 1}",
    expected="refused before there is a node, with value, limits and remedy",
)
@pytest.mark.parametrize("value", ["0", "-1", "1.5", "much", "1" * 10_000, str(LARGEST_SEGMENT + 1), "٣"])
def test_a_size_that_is_none_is_refused(
    value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], observed: Callable[[str], None]
) -> None:
    monkeypatch.setenv(SEGMENT_VARIABLE, value)
    assert node_process.run("perception", lambda: pytest.fail("a node was made")) == node_process.REFUSED
    said = capsys.readouterr().err
    assert repr(value) in said
    assert f"from 1 to {LARGEST_SEGMENT}, or leave it unset" in said
    observed("exit status 2, one line")
