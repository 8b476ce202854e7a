"""``cinet odometry`` from a sequence on disk to its report and image."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from cinet_core.cli import main
from cinet_core.cli.odometry import METHODS as ARGUMENT_METHODS
from cinet_core.geometry import Intrinsics
from cinet_core.odometry import METHODS, ORB_SLAM3, OrbSlam3, RgbdOdometry, open_odometry
from cinet_core.odometry.orb_slam3 import settings_text
from cinet_core.rooms.demo.room import SyntheticRoom

pytest.importorskip("open3d", reason="the odometry is Open3D's", exc_type=ImportError)

FRAMES = 5
ROUND = 960  # views of a whole round of the room: a camera at 60 Hz
CAMERA = Intrinsics(150.0, 150.0, 79.5, 59.5, 160, 120)
# The room's textures are not filtered: from frame to frame they flicker, and intensity tells nothing.
METHOD = ("--method", "point_to_plane")


def write_sequence(root: Path, frames: int = FRAMES, poses: bool = True) -> Path:
    """The synthetic room in the layout of 7-Scenes, exact depth in millimetres."""
    root.mkdir(parents=True)
    room = SyntheticRoom(seed=2, width=160, height=120)
    np.savetxt(root / "camera-intrinsics.txt", room.intrinsics.matrix())
    for number in range(frames):
        view = room.render(number, ROUND)
        name = root / f"frame-{number:06d}"
        Image.fromarray(view.image).save(f"{name}.color.png")
        cv2.imwrite(f"{name}.depth.png", np.rint(view.depth * 1000).astype(np.uint16))
        if poses:
            np.savetxt(f"{name}.pose.txt", view.camera_to_world)
    return root


@pytest.fixture(scope="module")
def sequence(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sequence(tmp_path_factory.mktemp("odometry") / "room")


def run(*arguments: object) -> int:
    return main(["odometry", *map(str, arguments), "--device", "cpu"])


def test_both_depths_are_compared_with_the_truth(
    sequence: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "new" / "report.json"
    assert run(sequence, "--weights", weights, *METHOD, "--output", output) == 0
    report = json.loads(output.read_text())
    assert (report["frames"], report["broken"], report["first"]) == (FRAMES, 0, "frame-000000")
    assert set(report["depth"]) == {"sensor", "predicted"}
    sensor = report["depth"]["sensor"]
    assert sensor["lost"] == 0
    # exact depth: what is left is a small part of the way
    assert report["path_length"] > 0.02
    assert sensor["ate_se3"]["rmse"] < 0.05 * report["path_length"]
    assert sensor["ate_sim3"]["rmse"] <= sensor["ate_se3"]["rmse"]
    assert sensor["ate_sim3"]["scale"] == pytest.approx(1.0, abs=0.2)
    assert sensor["rpe"][0]["pairs"] == FRAMES - 1
    assert sensor["rpe"][1] == {"step": 30, "translation": None, "rotation": None, "pairs": 0}
    assert len(report["weights"]["sha256"]) == 64
    assert Image.open(output.with_suffix(".png")).size == (1100, 638)
    assert "predicted" in capsys.readouterr().out


def test_sensor_alone_needs_no_network_and_takes_every_nth(sequence: Path, tmp_path: Path) -> None:
    output = tmp_path / "sensor.json"
    assert run(sequence, "--depth", "sensor", "--weights", "/absent", "--every", 2, "--output", output) == 0
    report = json.loads(output.read_text())
    assert report["frames"] == 3
    assert report["weights"] is None
    assert list(report["depth"]) == ["sensor"]


def test_frames_that_cannot_be_read_are_named_and_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_sequence(tmp_path / "room")
    (root / "frame-000002.color.png").write_bytes(b"no picture")
    output = tmp_path / "report.json"
    assert run(root, "--depth", "sensor", "--output", output) == 1
    assert json.loads(output.read_text())["broken"] == 1
    assert "BROKEN" in capsys.readouterr().err


def test_what_cannot_start_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path / "absent", "--depth", "sensor") == 2
    assert "no such folder" in capsys.readouterr().err
    root = write_sequence(tmp_path / "room", frames=3, poses=False)
    assert run(root, "--depth", "sensor", "--output", tmp_path / "report.json") == 2
    assert "0 of 3 frames" in capsys.readouterr().err
    assert not (tmp_path / "report.json").exists()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [(["--output", "report.txt"], "does not end in .json"), (["--max-depth", "0"], "not above 0 metres")],
)
def test_wrong_arguments(arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run("somewhere", *arguments)
    assert text in capsys.readouterr().err


def test_a_frame_without_depth_is_counted_as_lost() -> None:
    room = SyntheticRoom(seed=1, width=160, height=120)
    views = [room.render(index, ROUND) for index in range(2)]
    odometry = RgbdOdometry()
    odometry.track(views[0].image, views[0].depth, room.intrinsics)
    pose = odometry.track(views[1].image, np.full_like(views[1].depth, np.nan), room.intrinsics)
    assert odometry.lost == 1
    assert pose == pytest.approx(np.eye(4))


def relief(position: tuple[float, float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Image and depth of a hilly wall with a smooth pattern, seen by CAMERA from here, looking along z."""
    u, v = np.meshgrid(np.arange(CAMERA.width), np.arange(CAMERA.height))
    ray_x, ray_y = (u - CAMERA.cx) / CAMERA.fx, (v - CAMERA.cy) / CAMERA.fy
    depth = np.full(u.shape, 2.0)
    for _ in range(30):  # the hills are flat enough for this to converge
        x, y = position[0] + ray_x * depth, position[1] + ray_y * depth
        depth = 2.0 + 0.1 * np.sin(3.0 * x) + 0.1 * np.cos(4.0 * y) + 0.05 * np.sin(5.0 * (x + y)) - position[2]
    waves = [np.sin(9.0 * x + 4.0 * y), np.cos(11.0 * y - 3.0 * x), np.sin(7.0 * (x - y))]
    return np.stack([127.5 + 100.0 * wave for wave in waves], axis=-1).astype(np.uint8), depth.astype(np.float32)


# Intensity alone takes a part of a small step aside for a turn.
@pytest.mark.parametrize(("method", "share"), [("hybrid", 0.1), ("point_to_plane", 0.1), ("intensity", 0.5)])
def test_every_method_tracks_exact_depth(method: str, share: float) -> None:
    odometry, way = RgbdOdometry(method=method), np.array([0.02, -0.01, 0.015])
    odometry.track(*relief((0.0, 0.0, 0.0)), CAMERA)
    pose = odometry.track(*relief(tuple(way)), CAMERA)
    assert pose[:3, 3] == pytest.approx(way, abs=share * float(np.linalg.norm(way)))
    assert odometry.lost == 0


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="no method 'magic': choose one of hybrid"):
        RgbdOdometry(method="magic")
    with pytest.raises(ValueError, match="max_depth is 0"):
        RgbdOdometry(max_depth=0.0)


def test_the_command_knows_every_method() -> None:
    assert (*METHODS, ORB_SLAM3) == ARGUMENT_METHODS


def test_orb_slam3_is_one_depth_a_run_and_asks_to_be_installed(
    sequence: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(sequence, "--method", "orb_slam3") == 2
    assert "give --depth sensor or --depth predicted" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "pyorbslam3", None)  # as where it is not installed
    assert run(sequence, "--method", "orb_slam3", "--depth", "sensor") == 2
    assert "pip install pyorbslam3" in capsys.readouterr().err


def test_orb_slam3_settings_name_the_camera() -> None:
    text = settings_text(CAMERA, 30.0)
    assert text.startswith("%YAML:1.0\n")
    storage = cv2.FileStorage(text, cv2.FILE_STORAGE_READ | cv2.FILE_STORAGE_MEMORY)
    assert storage.getNode("Camera1.fx").real() == CAMERA.fx
    assert storage.getNode("Camera1.cy").real() == CAMERA.cy
    assert storage.getNode("Camera.width").real() == CAMERA.width
    assert storage.getNode("RGBD.DepthMapFactor").real() == 1.0


@pytest.mark.skipif("PYORBSLAM3_VOCAB" not in os.environ, reason="PYORBSLAM3_VOCAB names no vocabulary")
def test_orb_slam3_tracks_the_room() -> None:
    pytest.importorskip("pyorbslam3", reason="ORB-SLAM3 comes by pip install pyorbslam3")
    room = SyntheticRoom(seed=2, width=640, height=480)
    views = [room.render(index, ROUND) for index in range(4)]
    odometry = open_odometry(ORB_SLAM3, 8.0)
    assert isinstance(odometry, OrbSlam3)
    for view in views:
        odometry.track(view.image, view.depth, room.intrinsics)
    motion = np.linalg.inv(views[0].camera_to_world) @ views[-1].camera_to_world
    odometry.close()
    assert odometry.lost == 0
    assert np.linalg.norm(odometry.poses[-1][:3, 3] - motion[:3, 3]) < 0.5 * np.linalg.norm(motion[:3, 3])


def test_the_camera_may_not_change() -> None:
    room, small = SyntheticRoom(width=160, height=120), SyntheticRoom(width=80, height=60)
    odometry = RgbdOdometry()
    view, other = room.render(0), small.render(0)
    odometry.track(view.image, view.depth, room.intrinsics)
    with pytest.raises(ValueError, match="the camera changed"):
        odometry.track(other.image, other.depth, small.intrinsics)
    with pytest.raises(ValueError, match="all must be of one size"):
        odometry.track(view.image, other.depth, room.intrinsics)


def test_the_top_view_shows_right_to_the_right_and_ahead_up() -> None:
    pytest.importorskip("matplotlib", reason="charts are an extra: pip install 'cinet[charts]'")
    from cinet_core.figures.trajectories import COLORS, seen_from_above, trajectory_figure

    poses = np.stack([np.eye(4)] * 2)  # optical: x right, y down, z ahead
    assert seen_from_above(poses) == pytest.approx(np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]))
    truth = np.array([[3.0, 0.0, 0.0], [3.0, 0.0, 1.0]])
    line = np.array([[3.0, 0.0, 0.0], [3.5, 0.0, 0.0]])
    figure = trajectory_figure([("one", {}), ("two", {"line": line})], truth, seen_from_above(poses))
    first, second = figure.axes
    assert (first.get_title(), second.get_title()) == ("one", "two")
    assert (first.get_xlabel(), first.get_ylabel()) == ("right [m]", "ahead [m]")
    drawn = {line.get_label(): line for line in second.lines}
    assert drawn["truth"].get_xydata() == pytest.approx(np.array([[0.0, 0.0], [0.0, 1.0]])), "from where it starts"
    assert drawn["line"].get_xydata() == pytest.approx(np.array([[0.0, 0.0], [0.5, 0.0]]))
    assert drawn["line"].get_color() == COLORS[0]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["truth", "line"]
    with pytest.raises(ValueError, match="no views"):
        trajectory_figure([], truth, seen_from_above(poses))


def test_without_matplotlib_the_report_is_written_and_the_image_is_not(
    sequence: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("cinet_core.figures")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)  # as where it is not installed
    assert run(sequence, "--depth", "sensor", "--every", 2, "--output", tmp_path / "report.json") == 0
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]
    assert "pip install 'cinet[charts]'" in capsys.readouterr().err
