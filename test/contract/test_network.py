"""Nothing is fetched and nobody is called: every address that the programs send to is traced."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ament_index_python.packages import get_package_prefix
from sensor_msgs.msg import CameraInfo, Image
from strace import destinations, strace_problem, traced

REPOSITORY = Path(__file__).resolve().parents[2]
PROBLEM = strace_problem()
WIDTH, HEIGHT = 64, 48
# Generous: two cores may be importing torch in several processes at once.
TIMEOUT = 180.0

needs_strace = pytest.mark.skipif(bool(PROBLEM), reason=PROBLEM)


@pytest.mark.fault(
    area="security",
    injected="the environment of demo and tests (scripts/env.sh), without and with a discovery range of the user's",
    expected="this machine only, unless the user says otherwise",
)
@pytest.mark.parametrize(
    ("given", "expected"), [({}, "LOCALHOST"), ({"ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET"}, "SUBNET")]
)
def test_discovery_is_limited_to_this_machine_by_default(given: dict[str, str], expected: str) -> None:
    script = ". scripts/env.sh && echo $ROS_AUTOMATIC_DISCOVERY_RANGE"
    environment = {"PATH": os.environ["PATH"], **given}
    done = subprocess.run(["bash", "-c", script], cwd=REPOSITORY, env=environment, capture_output=True, text=True)
    assert done.stdout.split()[-1] == expected, done.stderr


def test_addresses_are_found_in_a_trace(tmp_path: Path) -> None:
    log = tmp_path / "trace"
    log.write_text(
        '7 connect(3, {sa_family=AF_UNIX, sun_path="/run/nscd/socket"}, 110) = -1 ENOENT (No such file or directory)\n'
        '7 sendto(3, "x", 1, 0, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("192.0.2.1")}, 16) = 1\n'
        '8 connect(4, {sa_family=AF_INET6, sin6_port=htons(443), inet_pton(AF_INET6, "2001:db8::1", &sin6_addr)}, 28'
        " <unfinished ...>\n",
        encoding="utf-8",
    )
    assert destinations(log) == {"192.0.2.1", "2001:db8::1"}


@needs_strace
@pytest.mark.fault(
    area="security", injected="OpenVINO is imported, traced by strace: by itself it tells Google Analytics of it",
    expected="nothing is sent anywhere",
)  # fmt: skip
def test_to_use_openvino_sends_nothing(tmp_path: Path, observed: Callable[[str], None]) -> None:
    pytest.importorskip("openvino_telemetry", reason="OpenVINO has nothing to send with here")
    code = (
        "from cinet_core.inference.runtimes import import_openvino; print(import_openvino().Core().available_devices)"
    )
    log = tmp_path / "trace"
    done = subprocess.run(traced([sys.executable, "-c", code], log), capture_output=True, text=True, timeout=TIMEOUT)
    assert "CPU" in done.stdout, done.stderr
    assert destinations(log) == set()
    observed("no address in the trace")


@needs_strace
@pytest.mark.fault(
    area="security", injected="`cinet predict` with a checkpoint, traced by strace", expected="nothing is sent anywhere"
)
def test_predict_sends_nothing(tiny_weights: Path, tmp_path: Path, observed: Callable[[str], None]) -> None:
    # To load a checkpoint is the moment at which libraries like to fetch things.
    log, out = tmp_path / "trace", tmp_path / "out"
    predict = [sys.executable, "-m", "cinet_core.cli", "predict", "synthetic", "--weights", str(tiny_weights)]
    options = ["--limit", "1", "--device", "cpu", "--write", "depth", "--output", str(out)]
    done = subprocess.run(traced([*predict, *options], log), capture_output=True, text=True, timeout=TIMEOUT)
    assert done.returncode == 0, done.stderr
    assert list(out.iterdir())
    assert destinations(log) == set()
    observed("no address in the trace")


@needs_strace
@pytest.mark.fault(
    area="security",
    injected="the node in the environment of demo and tests, traced by strace while a frame goes through",
    expected="all that is sent goes to this machine",
)
def test_node_speaks_to_this_machine_only(
    wire: Any,
    start: Callable[..., Any],
    tiny_weights: Path,
    tmp_path: Path,
    make_image: Callable[..., Image],
    make_info: Callable[..., CameraInfo],
    observed: Callable[[str], None],
) -> None:
    log, node = tmp_path / "trace", tmp_path / "traced_node"
    executable = Path(get_package_prefix("cinet_ros")) / "lib" / "cinet_ros" / "perception_node"
    node.write_text(f'#!/bin/sh\nexec {shlex.join(traced([str(executable)], log))} "$@"\n', encoding="utf-8")
    node.chmod(0o755)
    start(str(node), {"weights": str(tiny_weights)}, until="configured")
    wire.subscribe_stats()
    image = make_image(np.full((HEIGHT, WIDTH, 3), 128, np.uint8))
    wire.exchange(image, make_info(image, WIDTH, HEIGHT), ["stats"])
    found = destinations(log)
    assert found, "the trace is empty: DDS discovery alone sends to this machine"
    assert all(address == "::1" or address.startswith("127.") for address in found), found
    observed(f"sent to {', '.join(sorted(found))} only")
