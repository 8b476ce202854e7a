"""The disk that the node logs to is full: a real one, of 16 kB, in a mount namespace of the node's own."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ament_index_python.packages import get_package_prefix
from sensor_msgs.msg import CameraInfo, Image

WIDTH, HEIGHT = 64, 48
MAY_MOUNT = subprocess.run(
    ["sh", "-c", "unshare -rm mount -t tmpfs -o size=16k none /mnt"], capture_output=True, check=False
)


@pytest.mark.skipif(MAY_MOUNT.returncode != 0, reason=f"no namespace with a mount: {MAY_MOUNT.stderr.decode().strip()}")
@pytest.mark.fault(
    area="machine",
    fault="disk full: log",
    injected="a disk of 16 kB, already full, for the node's log",
    expected="frames are processed, warnings go to the console",
)
def test_frames_flow_without_a_log(
    wire: Any,
    start: Callable[..., Any],
    tmp_path: Path,
    make_image: Callable[..., Image],
    make_info: Callable[..., CameraInfo],
    observed: Callable[[str], None],
) -> None:
    log, node = tmp_path / "log", tmp_path / "node_without_log"
    log.mkdir()
    executable = Path(get_package_prefix("cinet_ros")) / "lib" / "cinet_ros" / "perception_node"
    disk = f"mount -t tmpfs -o size=16k none {shlex.quote(str(log))}; head -c 100000 /dev/zero > {log}/filler"
    inner = f'{disk}; ROS_LOG_DIR={log} exec {executable} "$@"'
    node.write_text(f'#!/bin/sh\nexec unshare -rm sh -c {shlex.quote(inner)} node "$@"\n', encoding="utf-8")
    node.chmod(0o755)
    parameters = {"weights": "random", "network_width": WIDTH, "network_height": HEIGHT}
    process = start(str(node), parameters, until="configured")
    assert "No space left on device" in process.output()  # of head
    wire.subscribe_stats()
    for _ in range(3):
        image = make_image(np.full((HEIGHT, WIDTH, 3), 128, np.uint8))
        stats = wire.exchange(image, make_info(image, WIDTH, HEIGHT), ["stats"])["stats"]
    assert "random weights: depth, labels and points mean nothing" in process.output()
    observed(f"{stats.frames_used} of {stats.frames_received} frames used, the warning is on the console")
