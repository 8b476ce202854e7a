"""What adaptations are shown on: recordings hold what a robot has, and nothing of what they are judged by."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from rosbags.highlevel import AnyReader

from cinet_core.data.registry import open_dataset
from cinet_core.geometry import Intrinsics
from scripts.fleet import kitchen
from scripts.fleet.robot_bags import Walk, write_bag

HEIGHT, WIDTH, FRAMES = 24, 32, 5
CAMERA = Intrinsics(40.0, 40.0, 15.5, 11.5, WIDTH, HEIGHT)


def walked() -> Walk:
    """Half a metre ahead and a little to the left each frame, towards a wall."""
    poses = [np.eye(4) for _ in range(FRAMES)]
    for number, pose in enumerate(poses):
        pose[:3, 3] = (-0.1 * number, 0.0, 0.5 * number)
    images = np.full((FRAMES, HEIGHT, WIDTH, 3), 90, np.uint8)
    depth = np.full((FRAMES, HEIGHT, WIDTH), 4.0, np.float32) - 0.5 * np.arange(FRAMES, dtype=np.float32)[:, None, None]
    return Walk(images, depth, np.zeros((FRAMES, HEIGHT, WIDTH), np.uint8), poses, CAMERA)


def messages(path: Path) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    with AnyReader([path]) as reader:
        for connection, _, raw in reader.messages():
            found.setdefault(connection.topic, []).append(reader.deserialize(raw, connection.msgtype))
    return found


def steps(odometry: list[Any]) -> list[float]:
    places = np.array([[getattr(message.pose.pose.position, axis) for axis in "xyz"] for message in odometry])
    return [float(length) for length in np.linalg.norm(np.diff(places, axis=0), axis=1)]


def test_a_robot_without_a_scanner_and_with_exact_wheels(tmp_path: Path) -> None:
    found = messages(write_bag(tmp_path / "bag", walked(), scan=False, odometry_noise=0.0))
    assert sorted(found) == ["/camera/color/camera_info", "/camera/color/image_raw/compressed", "/odom", "/tf_static"]
    assert steps(found["/odom"]) == pytest.approx([np.hypot(0.1, 0.5)] * (FRAMES - 1))


def test_a_robot_with_a_scanner_a_depth_camera_and_wheels_that_slip(tmp_path: Path) -> None:
    found = messages(write_bag(tmp_path / "bag", walked(), depth=True, odometry_noise=0.05, seed=1))
    lengths = np.array(steps(found["/odom"])) / np.hypot(0.1, 0.5)
    assert 0.005 < np.abs(lengths - 1).max() < 0.2
    (last,) = found["/camera/aligned_depth_to_color/image_raw"][-1:]
    assert set(last.data.view(np.uint16)) == {2000}  # millimetres
    ahead = found["/scan"][-1].ranges[len(found["/scan"][-1].ranges) // 2]
    assert ahead == pytest.approx(2.0, abs=0.1)


@pytest.fixture
def sequence(tmp_path: Path) -> Path:
    """Five frames as 7-Scenes has them."""
    folder = tmp_path / "sequence"
    folder.mkdir()
    np.savetxt(folder / "camera-intrinsics.txt", [[40.0, 0, 15.5], [0, 40.0, 11.5], [0, 0, 1]])
    for number in range(FRAMES):
        pose = np.eye(4)
        pose[0, 3] = 0.1 * number
        name = folder / f"frame-{number:06d}"
        cv2.imwrite(f"{name}.color.jpg", np.full((HEIGHT, WIDTH, 3), 10 * number, np.uint8))
        cv2.imwrite(f"{name}.depth.png", np.full((HEIGHT, WIDTH), 2000, np.uint16))
        np.savetxt(f"{name}.pose.txt", pose)
    return folder


def test_the_kitchen_teaches_by_its_first_frames_and_judges_by_the_others(
    sequence: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kitchen, "TAUGHT", 3)
    taught = kitchen._recorded(sequence)
    assert taught.images[:, 0, 0, 0].tolist() == [0, 10, 20]
    assert not taught.depth.any()
    assert set(taught.labels.ravel()) == {255}
    beside = kitchen.COLOR["baseline"]  # the colour camera stands beside that of depth, which poses are of
    assert [float(pose[0, 3]) - beside for pose in taught.poses] == pytest.approx([0.0, 0.1, 0.2])
    polygons = tmp_path / "polygons.json"
    polygons.write_text(json.dumps({"frames": {"frame-000001": [], "frame-000004": []}}))
    folder, options = kitchen._judged(sequence, tmp_path / "judged", polygons)
    judged = open_dataset(folder, "all", "rgbd_sequence", **kitchen.COLOR)
    assert [judged[index].name for index in range(len(judged))] == ["frame-000003", "frame-000004"]
    assert list(json.loads(Path(options["polygons"]).read_text())["frames"]) == ["frame-000004"]
