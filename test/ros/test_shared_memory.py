"""Segments of Fast DDS that killed processes left: freed; those of the living: left alone."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from segments import segments_of

from cinet_ros.shared_memory import LEAST_AGE, SHARED_MEMORY, free_dead_segments

NAME = "fastdds_0123456789abcdef"
PARTICIPANT = """
import rclpy, sys, time
rclpy.init()
node = rclpy.create_node("participant")
print("ready", flush=True)
time.sleep(600)
"""


def make_old(segment: Path) -> None:
    """Let the lock file of a segment be older than those that may be about to be locked."""
    os.utime(f"{segment}_el", (time.time() - 2 * LEAST_AGE,) * 2)


@pytest.fixture
def segment(tmp_path: Path) -> Path:
    """A segment of 1 MiB that nobody holds, old enough."""
    path, lock = tmp_path / NAME, tmp_path / f"{NAME}_el"
    path.write_bytes(bytes(2**20))
    lock.touch()
    make_old(path)
    return path


def test_a_segment_without_an_owner_is_freed(segment: Path) -> None:
    assert free_dead_segments(segment.parent) == 2**20
    assert list(segment.parent.iterdir()) == []


def test_a_segment_in_use_is_left_alone(segment: Path) -> None:
    with Path(f"{segment}_el").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert free_dead_segments(segment.parent) == 0
    assert segment.exists()


def test_a_segment_that_is_just_being_made_is_left_alone(segment: Path) -> None:
    Path(f"{segment}_el").touch()
    assert free_dead_segments(segment.parent) == 0
    assert segment.exists()


def test_other_files_and_links_are_none_of_its_business(segment: Path) -> None:
    folder = segment.parent
    for name in ("fastdds_port7411_el", "sem.fastdds_0123456789abcdef_el", "fastdds_0123456789abcdeX_el"):
        (folder / name).touch()
        os.utime(folder / name, (0, 0))
    (folder / "fastdds_fedcba9876543210_el").symlink_to(folder / "fastdds_port7411_el")
    before = len(list(folder.iterdir()))
    assert free_dead_segments(folder) == 2**20
    assert len(list(folder.iterdir())) == before - 2


def test_without_shared_memory_nothing_happens(tmp_path: Path) -> None:
    assert free_dead_segments(tmp_path / "absent") == 0


@pytest.mark.fault(
    area="machine",
    fault="shared memory of a killed process",
    injected="SIGKILL of a process with the shipped Fast DDS profile",
    expected="its segment, which Fast DDS leaves there, is freed by the next start; those of living processes stay",
)
@pytest.mark.skipif(not SHARED_MEMORY.is_dir(), reason=f"there is no {SHARED_MEMORY}")
def test_what_a_killed_process_of_fast_dds_leaves_is_freed_and_what_the_living_hold_is_not(
    observed: Callable[[str], None],
) -> None:
    process = subprocess.Popen([sys.executable, "-c", PARTICIPANT], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    held = segments_of(process.pid)
    assert held
    for segment in held:
        make_old(segment)
    free_dead_segments()
    assert all(segment.exists() for segment in held), "their process lives"
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert all(segment.exists() for segment in held), "Fast DDS leaves them"
    assert free_dead_segments() >= 2**27
    assert not any(segment.exists() for segment in held)
    observed("134 MB freed, nothing taken from the living")
