"""``cinet bag run`` with anchors: poses from the bag's odometry, or motion from its images."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rosbags")

import made_bags

from cinet_core.bags.correction import OdometryPoses
from cinet_core.bags.definitions import message_store
from cinet_core.bags.errors import BagError
from cinet_core.bags.reader import BagReader
from cinet_core.cli import main

FRAMES = 3


def odometry(stamp: int, x: float) -> Any:
    types = made_bags.types
    covariance = np.zeros(36)
    vector = types("geometry_msgs/msg/Vector3")(x=0.0, y=0.0, z=0.0)
    pose = types("geometry_msgs/msg/Pose")(
        position=types("geometry_msgs/msg/Point")(x=x, y=0.0, z=0.0),
        orientation=types("geometry_msgs/msg/Quaternion")(x=0.0, y=0.0, z=0.0, w=1.0),
    )
    return types("nav_msgs/msg/Odometry")(
        header=made_bags.header(stamp, "odom"),
        child_frame_id="base_link",
        pose=types("geometry_msgs/msg/PoseWithCovariance")(pose=pose, covariance=covariance),
        twist=types("geometry_msgs/msg/TwistWithCovariance")(
            twist=types("geometry_msgs/msg/Twist")(linear=vector, angular=vector), covariance=covariance
        ),
    )


def recording(path: Path, *topics: str) -> Path:
    """A camera, and the same image again and again, with a robot that moves by a millimetre a frame."""
    messages = made_bags.camera(FRAMES)
    first = next(message for topic, _, message in messages if "image" in topic)
    for topic, _, message in messages:
        if "image" in topic:
            message.data = first.data
    for topic in topics:
        for number in range(-1, 2 * FRAMES):
            stamp = made_bags.START + number * made_bags.PERIOD // 2
            messages.append((topic, stamp, odometry(stamp, 0.001 * number)))
    return made_bags.write(path, sorted(messages, key=lambda item: item[1]), "mcap")


def outputs(path: Path, name: str) -> list[Any]:
    store = message_store()
    return [store.deserialize_cdr(data, kind) for topic, kind, _, data in made_bags.contents(path) if topic == name]


def run(*arguments: object) -> int:
    return main(["bag", "run", *map(str, arguments), "--device", "cpu"])


def test_frames_are_fused_along_the_odometry(tmp_path: Path, weights: Path) -> None:
    source = recording(tmp_path / "in", "/odom")
    topics = ["--outputs", "stats", "depth_registered/image_rect", "depth_registered/raw"]
    assert run(source, tmp_path / "out", "--weights", weights, "--temporal", "fused", *topics) == 0
    stats = outputs(tmp_path / "out", "/stats")
    assert [math.isnan(message.agreement) for message in stats] == [True, False, False]
    assert stats[-1].agreement > 0.9
    assert {message.correction for message in stats} == {"none"}
    assert len(outputs(tmp_path / "out", "/depth_registered/raw")) == FRAMES
    # Another way of correcting is another bag.
    assert run(source, tmp_path / "out", "--weights", weights, *topics) == 2


def test_without_anchor_nothing_is_said(tmp_path: Path, weights: Path) -> None:
    source = recording(tmp_path / "in")
    assert run(source, tmp_path / "out", "--weights", weights, "--outputs", "stats") == 0
    assert [message.correction for message in outputs(tmp_path / "out", "/stats")] == ["none"] * FRAMES


def test_images_alone_need_no_odometry(tmp_path: Path, weights: Path) -> None:
    source = recording(tmp_path / "in")
    how = ["--anchor", "motion", "--temporal", "field", "--outputs", "stats", "depth_registered/uncertainty"]
    assert run(source, tmp_path / "out", "--weights", weights, *how) == 0
    stats = outputs(tmp_path / "out", "/stats")
    assert [message.correction for message in stats] == ["raw"] * FRAMES  # of a camera that stands still
    assert all(message.correction_reason for message in stats)
    assert len(outputs(tmp_path / "out", "/depth_registered/uncertainty")) == FRAMES


def test_what_odometry_there_is_must_be_clear(
    tmp_path: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bag = recording(tmp_path / "none")
    assert run(bag, tmp_path / "out", "--weights", weights, "--anchor", "odometry") == 2
    assert "nav_msgs/msg/Odometry: none" in capsys.readouterr().err
    both = recording(tmp_path / "both", "/odom", "/wheels")
    with BagReader(both) as reader:
        with pytest.raises(BagError, match="/odom, /wheels"):
            OdometryPoses(reader)
        poses = OdometryPoses(reader, "/wheels", (0.1, 0.0, 0.4, -0.5, 0.5, -0.5, 0.5))
        with pytest.raises(ValueError, match="quaternion of norm 1"):
            OdometryPoses(reader, "/wheels", (0.1, 0.0, 0.4, 0.0, 0.0, 0.0, 0.0))
    assert len(poses) == 2 * FRAMES + 1
    pose = poses.at(made_bags.START + made_bags.PERIOD // 4)
    assert pose is not None
    assert pose[:3, 3] == pytest.approx([0.1005, 0.0, 0.4])
    assert pose[:3, 2] == pytest.approx([1.0, 0.0, 0.0])  # the camera looks ahead
    assert poses.at(made_bags.START - made_bags.PERIOD) is None
