"""What goes with extracted frames of a robot's motion: poses, scans in the camera's view, up; and what cannot."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rosbags")

import made_bags

from cinet_core.bags.errors import BagError
from cinet_core.bags.extraction import extract_bag
from cinet_core.bags.motion import MotionSettings
from cinet_core.cli import main
from cinet_core.data.recording import Recording

FRAMES, STEP = 4, 0.1
# The optical frame (x right, y down, z forward) in a base that looks along x: 0.2 m ahead, 0.5 m up.
CAMERA = (0.2, 0.0, 0.5, -0.5, 0.5, -0.5, 0.5)
SCANNER = (0.1, 0.0, 0.3, 0.0, 0.0, 0.0, 1.0)
RANGES = np.array([2.0, 3.0, np.inf], np.float32)


def transform(parent: str, child: str, values: tuple[float, ...]) -> Any:
    types = made_bags.types
    x, y, z, *turn = values
    return types("geometry_msgs/msg/TransformStamped")(
        header=made_bags.header(made_bags.START, parent),
        child_frame_id=child,
        transform=types("geometry_msgs/msg/Transform")(
            translation=types("geometry_msgs/msg/Vector3")(x=x, y=y, z=z),
            rotation=types("geometry_msgs/msg/Quaternion")(**dict(zip("xyzw", turn, strict=True))),
        ),
    )


def odometry(stamp: int, x: float) -> Any:
    types = made_bags.types
    zero = types("geometry_msgs/msg/Vector3")(x=0.0, y=0.0, z=0.0)
    pose = types("geometry_msgs/msg/Pose")(
        position=types("geometry_msgs/msg/Point")(x=x, y=0.0, z=0.0),
        orientation=types("geometry_msgs/msg/Quaternion")(x=0.0, y=0.0, z=0.0, w=1.0),
    )
    twist = types("geometry_msgs/msg/Twist")(linear=zero, angular=zero)
    return types("nav_msgs/msg/Odometry")(
        header=made_bags.header(stamp, "odom"),
        child_frame_id="base_link",
        pose=types("geometry_msgs/msg/PoseWithCovariance")(pose=pose, covariance=np.zeros(36)),
        twist=types("geometry_msgs/msg/TwistWithCovariance")(twist=twist, covariance=np.zeros(36)),
    )


def scan(stamp: int) -> Any:
    return made_bags.types("sensor_msgs/msg/LaserScan")(
        header=made_bags.header(stamp, "laser"),
        angle_min=0.0,
        angle_max=0.2,
        angle_increment=0.1,
        time_increment=0.0,
        scan_time=0.1,
        range_min=0.1,
        range_max=10.0,
        ranges=RANGES,
        intensities=np.zeros(0, np.float32),
    )


def robot(path: Path, *, static: bool = True, scans: bool = True, odometers: tuple[str, ...] = ("/odom",)) -> Path:
    """A robot that drives along x, 10 cm a frame; its scans are taken half a frame before the images."""
    messages = made_bags.camera(FRAMES)
    for number in range(-2, 2 * FRAMES):
        stamp = made_bags.START + number * made_bags.PERIOD // 2
        messages += [(topic, stamp, odometry(stamp, STEP * number / 2)) for topic in odometers]
        if scans and number % 2:
            messages.append(("/scan", stamp, scan(stamp)))
    if static:
        # By way of a third frame, and one of them from the child's side.
        tree = [
            transform("base_link", "mast", (0.0, 0.0, 0.5, 0.0, 0.0, 0.0, 1.0)),
            transform("mast", "camera_optical", (0.2, 0.0, 0.0, *CAMERA[3:])),
            transform("laser", "base_link", (-0.1, 0.0, -0.3, 0.0, 0.0, 0.0, 1.0)),
        ]
        messages.append(("/tf_static", made_bags.START, made_bags.types("tf2_msgs/msg/TFMessage")(transforms=tree)))
    return made_bags.write(path, messages)


def extracted(bag: Path, out: Path, **settings: object) -> Recording:
    extract_bag(bag, out, need_depth=False, motion=MotionSettings(**settings))
    return Recording(out)


def test_poses_scans_and_up_are_in_the_optical_frame(tmp_path: Path) -> None:
    recording = extracted(robot(tmp_path / "walk"), tmp_path / "out")
    assert len(recording) == FRAMES
    for number in range(FRAMES):
        pose = recording.pose(number)
        assert pose is not None
        np.testing.assert_allclose(pose[:3, 3], [STEP * number + 0.2, 0.0, 0.5], atol=1e-9)
        np.testing.assert_allclose(pose[:3, 2], [1.0, 0.0, 0.0], atol=1e-9)  # it looks along x
        assert recording.world(number) == "walk"
        assert recording.seconds(number) == pytest.approx(made_bags.START * 1e-9 + 0.1 * number)
        measured = recording.measured(number)
        assert measured is not None
        np.testing.assert_allclose(measured.up, [0.0, -1.0, 0.0], atol=1e-6)
        # Straight ahead at 2 m and at 0.1 rad to the left at 3 m, from 0.1 m behind the camera and 0.2 m below it; the
        # robot has gone on by half a step since the scan, or is that much behind the next one.
        ahead = [2.0 + 0.1 - 0.2, 3.0 * math.cos(0.1) + 0.1 - 0.2]
        moved = measured.scan[:, 2] - ahead
        np.testing.assert_allclose(np.abs(moved), STEP / 2, atol=1e-5)
        np.testing.assert_allclose(measured.scan[:, 0], [0.0, -3.0 * math.sin(0.1)], atol=1e-5)
        np.testing.assert_allclose(measured.scan[:, 1], 0.2, atol=1e-5)


def test_mountings_that_are_given_stand_for_those_that_are_not_recorded(tmp_path: Path) -> None:
    by_tree = extracted(robot(tmp_path / "tree" / "walk"), tmp_path / "first")
    given = extracted(
        robot(tmp_path / "given" / "walk", static=False),
        tmp_path / "second",
        camera_in_base=CAMERA,
        scan_in_base=SCANNER,
    )
    for number in range(FRAMES):
        np.testing.assert_allclose(by_tree.pose(number), given.pose(number), atol=1e-9)
        np.testing.assert_allclose(by_tree.measured(number).scan, given.measured(number).scan, atol=1e-6)


@pytest.mark.parametrize(
    ("made", "told"),
    [
        ({"static": False}, "/tf_static does not connect camera_optical with base_link; give --camera-in-base"),
        ({"odometers": ("/odom", "/odom2")}, "there are several topics, name one of /odom, /odom2"),
    ],
    ids=["no mounting", "two odometries"],
)
@pytest.mark.fault(
    area="input",
    injected="a bag with odometry whose camera cannot be placed: no /tf_static, or two topics of odometry",
    expected="the frames are extracted without poses, and it is said what to give",
)
def test_motion_that_cannot_be_placed_is_left_out_and_said(
    made: dict, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], observed: Callable[[str], None]
) -> None:
    bag = robot(tmp_path / "walk", scans=False, **made)
    assert main(["bag", "extract", str(bag), str(tmp_path / "out"), "--without-depth"]) == 0
    assert told in capsys.readouterr().err
    lines = [json.loads(line) for line in (tmp_path / "out" / "frames.jsonl").read_text().splitlines()]
    assert len(lines) == FRAMES
    assert not any("pose" in line for line in lines)
    observed(told)


def test_a_bag_without_motion_says_nothing_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bag = made_bags.write(tmp_path / "walk", made_bags.camera(2))
    assert main(["bag", "extract", str(bag), str(tmp_path / "out"), "--without-depth"]) == 0
    said = capsys.readouterr()
    assert "WARNING" not in said.err
    assert not list((tmp_path / "out").glob("*_anchors.npz"))


def test_none_leaves_it_behind(tmp_path: Path) -> None:
    bag = robot(tmp_path / "walk")
    line = ["bag", "extract", str(bag), str(tmp_path / "out"), "--without-depth", "--motion", "none"]
    assert main(line) == 0
    assert '"pose"' not in (tmp_path / "out" / "frames.jsonl").read_text()


def test_wrong_names_and_mountings_are_refused(tmp_path: Path) -> None:
    bag = robot(tmp_path / "walk")
    with pytest.raises(BagError, match=r"no nav_msgs/msg/Odometry on wheels; it has: /odom"):
        extracted(bag, tmp_path / "out", odometry_topic="wheels")
    with pytest.raises(ValueError, match="camera_in_base is"):
        MotionSettings(camera_in_base=(0.0,) * 7)


def test_extraction_needs_no_torch() -> None:
    """A part of a fleet's work is a process: what it imports is paid for each bag."""
    code = "import sys, cinet_core.bags.extraction; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
