"""``cinet obstacles``: what is put in between prediction and sensor comes out as scores."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from cinet_core.cli import main
from cinet_core.evaluation.obstacle_scoring import AS_PREDICTED, CORRECTED, base_frame_pose, score_obstacles
from cinet_core.evaluation.obstacle_study import ObstacleScores, ObstacleStudy, scores_table
from cinet_core.label_sets import NYU40
from cinet_core.mapping.floor import FloorPlane
from cinet_core.obstacles.depth_frame import DepthFrame
from cinet_core.rooms.demo.room import SyntheticRoom
from scripts.robot.box_scene import SceneBox, camera_pose, floor, render

POSE = camera_pose(0.6, 10.0)
WALL = SceneBox((2.8, -6.0, 0.0), (3.0, 6.0, 2.5), "wall")
CABINET = SceneBox((1.8, -0.4, 0.0), (2.2, 0.4, 1.0), "cabinet")


def scores(predicted: list[SceneBox], sensed: list[SceneBox], scale: float = 1.0) -> ObstacleScores:
    study = ObstacleStudy(NYU40)
    frame = render(predicted, POSE)
    scaled = DepthFrame(frame.depth * np.float32(scale), frame.labels, frame.intrinsics, POSE)
    study.add(scaled, render(sensed, POSE).depth)
    return study.scores()


def test_what_is_the_same_is_perfect() -> None:
    found = scores([floor(), WALL, CABINET], [floor(), WALL, CABINET])
    assert set(found.precision.values()) == set(found.recall.values()) == {1.0}
    assert (found.phantoms, found.stray, found.missed, found.floor_left, found.floor) == (0, 0, 0, 0, 1)
    assert found.occupied > 50


def test_an_obstacle_that_is_not_there_is_a_phantom() -> None:
    found = scores([floor(), WALL, CABINET], [floor(), WALL])
    assert found.precision[3] < 0.9
    assert found.phantoms >= found.stray > 10
    assert found.floor_left > 50, "its foot is floor to the sensor"


def test_an_obstacle_that_is_not_seen_is_missed() -> None:
    found = scores([floor(), WALL], [floor(), WALL, CABINET])
    assert found.missed > 10
    assert found.phantoms == 0
    assert found.recall[3] < 0.9


def test_what_is_a_little_off_agrees_within_the_tolerance() -> None:
    found = scores([floor(), WALL, CABINET], [floor(), WALL, CABINET], scale=0.96)
    assert found.precision[0] < 0.3
    assert found.precision[3] > 0.95
    assert found.recall[3] > 0.95
    assert found.stray == 0


def test_pixels_that_the_sensor_does_not_know_do_not_count() -> None:
    study = ObstacleStudy(NYU40)
    frame = render([floor(), WALL, CABINET], POSE)
    sensor = render([floor(), WALL], POSE).depth.copy()
    sensor[frame.labels == NYU40.ids(["cabinet"])[0]] = 0.0
    study.add(frame, sensor)
    assert study.scores().precision[0] == 1.0
    with pytest.raises(ValueError, match="resample one to the other"):
        study.add(frame, sensor[::2])
    with pytest.raises(ValueError, match="not one frame"):
        ObstacleStudy(NYU40).scores()


def test_a_table_has_a_row_for_each_depth() -> None:
    table = scores_table("t", {"one": scores([floor(), WALL], [floor(), WALL])}).markdown()
    assert "| one | 100.0 | 100.0 | 100.0 | 100.0 |" in table


def test_the_base_frame_is_on_the_floor_below_the_camera() -> None:
    up = np.array([0.0, 0.6, 0.8])
    plane = FloorPlane(up, 0.5, 1.0)
    world = np.eye(4)
    world[:3, :3] = cv2.Rodrigues(np.array([0.3, -0.2, 0.5]))[0]
    world[:3, 3] = (1.0, 2.0, 3.0)
    pose = base_frame_pose(world, plane)
    assert pose[:3, 3] == pytest.approx([0.0, 0.0, 0.6 * 2 + 0.8 * 3 - 0.5])
    assert pose[1, 2] == pytest.approx(0.0, abs=1e-12), "it looks along x"
    assert pose[0, 2] > 0
    assert pose[2, :3] == pytest.approx(up @ world[:3, :3]), "z is up"
    down = np.eye(4)
    down[:3, :3] = np.diag([1.0, -1.0, -1.0])
    with pytest.raises(ValueError, match="straight down"):
        base_frame_pose(down, FloorPlane(np.array([0.0, 0.0, 1.0]), 0.0, 1.0))


@pytest.fixture
def sequence(tmp_path: Path) -> Path:
    """Frames of the synthetic room as 7-Scenes has them."""
    room = SyntheticRoom(width=160, height=120)
    np.savetxt(tmp_path / "camera-intrinsics.txt", room.intrinsics.matrix())
    for number, view in enumerate((3, 10, 21)):
        frame = room.render(view, 48)
        name = tmp_path / f"frame-{number:06d}"
        cv2.imwrite(f"{name}.color.png", frame.image[..., ::-1])
        cv2.imwrite(f"{name}.depth.png", (frame.depth * 1000).astype(np.uint16))
        np.savetxt(f"{name}.pose.txt", frame.camera_to_world)
    return tmp_path


def test_a_sequence_is_scored(sequence: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = tmp_path / "report.json"
    assert main(["obstacles", str(sequence), "--kind", "rgbd_sequence", "--device", "cpu", "--json", str(report)]) == 0
    found = json.loads(report.read_text(encoding="utf-8"))
    assert found["scores"][AS_PREDICTED]["frames"] == 3
    assert 0.0 < found["scores"][AS_PREDICTED]["recall"]["3"] <= 1.0
    assert 0.3 < found["scale"] < 3.0
    assert f"| {AS_PREDICTED} |" in capsys.readouterr().out


def test_depth_that_anchors_corrected_is_scored_beside_it(sequence: Path, tmp_path: Path) -> None:
    """Every frame is corrected, in its order, whichever are scored; the rest of the report is as without."""
    plain, corrected = tmp_path / "plain.json", tmp_path / "corrected.json"
    command = ["obstacles", str(sequence), "--kind", "rgbd_sequence", "--device", "cpu", "--limit", "2", "--json"]
    assert main([*command, str(plain)]) == 0
    assert main([*command, str(corrected), "--anchor", "odometry", "--temporal", "fused"]) == 0
    found, before = (json.loads(path.read_text(encoding="utf-8"))["scores"] for path in (corrected, plain))
    name = CORRECTED.format(anchor="odometry", temporal="fused")
    assert {**before, name: found[name]} == found
    assert found[name]["frames"] == 2
    # Views far apart: nothing is tracked between them, so nothing is known better.
    assert found[name]["recall"]["3"] == pytest.approx(before[AS_PREDICTED]["recall"]["3"], abs=0.2)
    with pytest.raises(ValueError, match="which a recording has not"):
        score_obstacles(sequence, anchor="scan")


def test_obstacles_know_what_corrected_depth_is_uncertain_by_as_in_the_node(
    sequence: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add, given = ObstacleStudy.add, []

    def noted(study: ObstacleStudy, frame: DepthFrame, sensor: np.ndarray) -> None:
        given.append(frame.uncertainty)
        add(study, frame, sensor)

    monkeypatch.setattr(ObstacleStudy, "add", noted)
    score_obstacles(sequence, kind="rgbd_sequence", device="cpu", limit=1, anchor="odometry", temporal="field")
    assert [values is None for values in given] == [True, True, True, False], "the default network says nothing itself"
    assert np.nanmedian(given[-1]) > 0.0


def test_what_cannot_be_scored_is_said(sequence: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["obstacles", str(sequence / "nowhere"), "--device", "cpu"]) == 2
    assert "cinet obstacles: " in capsys.readouterr().err
    assert main(["obstacles", "synthetic", "--weights", "random", "--device", "cpu"]) == 2
    assert "not one frame has depth, a pose and a camera" in capsys.readouterr().err
