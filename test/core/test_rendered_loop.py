"""The rendered rooms that a robot drives through by predicted depth: what is rendered is what it would hit."""

from __future__ import annotations

import dataclasses
import json
import types
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from cinet_core.label_sets import NYU40
from cinet_core.obstacles.clouds import obstacle_points
from cinet_core.obstacles.segmented import segment
from scripts.robot.controller import in_room
from scripts.robot.drive import Drive, Sight, drive
from scripts.robot.rendered_frames import figures_of, sights
from scripts.robot.rendered_loop import Job, main, read_results, summarize
from scripts.robot.rendered_room import FINE, RenderedRoom, rendered_room
from scripts.robot.strip import Strip
from scripts.robot.views import CAMERA, MOUNTED, SETTINGS, SIZE, ExactView, Lidar, PredictedView


@pytest.fixture(scope="module")
def room() -> RenderedRoom:
    return rendered_room(0)


def test_a_room_has_a_way_and_is_the_same_again(room: RenderedRoom) -> None:
    assert min(room.distance(*room.start), room.distance(*room.goal)) > 0.35
    assert np.hypot(*np.subtract(room.start, room.goal)) > 2.0
    assert room.distance(-0.1, 1.0) == 0.0
    again = rendered_room(0)
    np.testing.assert_array_equal(again.free, room.free)
    assert (again.start, again.goal) == (room.start, room.goal)


def test_what_the_camera_sees_is_what_the_robot_would_hit(room: RenderedRoom) -> None:
    see = ExactView(room)
    for yaw in (0.0, 2.0, 4.0):
        pose = (*room.start, yaw)
        points = obstacle_points(segment(see(Sight(0.0, pose, pose)), NYU40, SETTINGS)).xyz.astype(np.float64)
        points = points[(points[:, 2] > 0.06) & (points[:, 2] < 0.48)]
        assert len(points) > 50
        placed = points @ in_room(pose)[:3, :3].T + in_room(pose)[:3, 3]
        inside = (placed[:, :2] > 0).all(axis=1) & (placed[:, :2] < np.multiply(room.free.shape, FINE)).all(axis=1)
        to_truth = np.array([room.distance(x, y) for x, y in placed[inside, :2]])
        assert np.quantile(to_truth, 0.95) < 0.08, "round things count as their boxes: nothing is seen where none is"


def test_a_drive_leaves_a_strip_of_pictures(room: RenderedRoom, tmp_path: Path) -> None:
    images = [np.zeros((SIZE[1], SIZE[0], 3), np.uint8)]
    strip = Strip(room, images)
    how = Drive(latency=0.5, period=1.0, dropped=0.0, limit=3.0, size=SIZE)
    result = drive(room, how, 0, SETTINGS, ExactView(room), strip.watch)
    assert not result.collided
    strip.save(tmp_path / "strip.png", columns=2)
    drawn = cv2.imread(str(tmp_path / "strip.png"))
    assert drawn.shape == (4 * SIZE[1], 2 * SIZE[0], 3)
    assert drawn[3 * SIZE[1] :].std() > 10, "the costmap"


def test_a_lidar_sees_the_walls(room: RenderedRoom) -> None:
    pose = (*room.start, 0.3)
    ranges = Lidar(room, 0).ranges(pose)
    hit = np.isfinite(ranges)
    assert hit.mean() > 0.9
    bearings = 0.3 + np.radians(np.arange(360))[hit]
    places = np.array(room.start) + ranges[hit, None] * np.stack([np.cos(bearings), np.sin(bearings)], axis=1)
    inside = (places > 0).all(axis=1) & (places < np.multiply(room.free.shape, FINE)).all(axis=1)
    off = np.array([room.distance(x, y) for x, y in places[inside]])
    assert np.median(off) < 0.03
    assert np.quantile(off, 0.9) < 0.1
    again = Lidar(room, 0).ranges(pose)
    np.testing.assert_array_equal(again, ranges)
    assert (np.abs(Lidar(room, 1).ranges(pose) - ranges)[hit] > 1e-4).mean() > 0.9, "noise"


class FalseCamera:
    """A camera whose network predicts everything too near by one factor."""

    def __init__(self, room: RenderedRoom, factor: float) -> None:
        self.room, self._factor, self._exact = room, factor, ExactView(room)
        rng = np.random.default_rng(0)
        self._texture: npt.NDArray[np.uint8] = rng.integers(0, 255, (*SIZE[::-1], 3), dtype=np.uint8)

    def predicted(self, pose: tuple[float, float, float]) -> tuple[npt.NDArray[np.uint8], object, float]:
        frame = self._exact(Sight(0.0, pose, pose))
        depth = np.where(np.isfinite(frame.depth), frame.depth * np.float32(self._factor), np.nan).astype(np.float32)
        outputs = {"depth": depth, "labels": frame.labels, "confidence": np.full(depth.shape, 200, np.uint8)}
        return self._texture, types.SimpleNamespace(depth=depth, labels=frame.labels, outputs=outputs), 0.01


@pytest.mark.parametrize("anchor", ["none", "floor", "scan", "auto"])
def test_anchors_take_out_a_wrong_scale(room: RenderedRoom, anchor: str) -> None:
    view = PredictedView(FalseCamera(room, 0.8), anchor)  # type: ignore[arg-type]
    exact, errors = ExactView(room), []
    for number in range(4):
        pose = (room.start[0], room.start[1], 0.5 * number)
        sight = Sight(0.4 * number, pose, pose)
        found, true = view(sight), exact(sight)
        known = np.isfinite(true.depth) & np.isfinite(found.depth)
        errors.append(abs(float(np.median(found.depth[known] / true.depth[known])) - 1.0))
    assert max(errors) == pytest.approx(0.2, abs=1e-3) if anchor == "none" else max(errors[1:]) < 0.1
    assert len(view.images) == len(view.seconds) == 4
    assert found.intrinsics == CAMERA
    np.testing.assert_array_equal(found.pose, MOUNTED)


def test_drives_that_are_there_are_not_repeated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    begun = ["drive", str(tmp_path), "--first", "0", "--depth", "exact", "--limit", "1", "--weights", "random"]
    assert main([*begun, "--rooms", "1"]) == 0
    (first,) = tmp_path.glob("room_*.json")
    changed = first.stat().st_mtime_ns
    assert main([*begun, "--rooms", "2"]) == 0
    assert first.stat().st_mtime_ns == changed
    assert len(list(tmp_path.iterdir())) == 2
    capsys.readouterr()
    assert main(["summary", str(tmp_path), "--json"]) == 0
    (figures,) = json.loads(capsys.readouterr().out)
    assert (figures["depth"], figures["drives"], figures["rooms"], figures["out_of_time"]) == ("exact", 2, [0, 1], 2)
    assert main(["summary", str(tmp_path)]) == 0
    assert "| exact | 2 | 0 | 0 |" in capsys.readouterr().out
    assert [one["room"] for one in read_results(tmp_path)] == [0, 1]


def test_drives_of_other_settings_are_another_row() -> None:
    one = Job(0, "exact", "default", "", Drive())
    other = dataclasses.replace(one, how=Drive(latency=0.5))
    assert one.name != other.name
    assert Job(0, "scan", "default", "a", Drive()).name != Job(0, "scan", "default", "b", Drive()).name
    ends = {"reached": True, "collided": False, "seconds": 9.0, "stops": 0.0, "nearest": 0.1}
    ends |= {"recoveries": 1, "given_up": False, "left": 0.1}
    drives = [
        {"room": 0, "depth": "exact", "model": "", "settings": job.settings, "frame_seconds": [], "result": ends}
        for job in (one, other, one)
    ]
    assert sorted(row["drives"] for row in summarize(drives)) == [1, 2]
    given_up = {**ends, "reached": False, "given_up": True, "seconds": 40.0}
    beside = {**ends, "reached": False, "left": 0.5}
    (row,) = summarize([drives[0], {**drives[0], "result": given_up}, {**drives[0], "result": beside}])
    assert (row["reached"], row["given_up"], row["beside_the_goal"], row["out_of_time"]) == (1, 1, 1, 0)


def test_frames_are_compared_with_exact_ones(room: RenderedRoom) -> None:
    exact, near = ExactView(room), FalseCamera(room, 0.8)
    sight = next(iter(sights(room)))
    true = exact(sight)
    same = figures_of(true, true)
    assert (same.ratio, same.floor_ratio, same.obstacle_ratio) == (1.0, 1.0, 1.0)
    assert (same.precision, same.recall, same.floor_as_obstacle, same.obstacle_as_floor) == (1.0, 1.0, 0.0, 0.0)
    assert np.isnan(same.uncertainty)
    moved = figures_of(PredictedView(near)(sight), true)  # type: ignore[arg-type]
    assert moved.ratio == pytest.approx(0.8, abs=1e-3)
    assert moved.precision < 0.7
    assert moved.recall < 0.7
    assert moved.shut > same.shut


def test_a_scan_puts_obstacles_where_they_are(room: RenderedRoom) -> None:
    exact = ExactView(room)
    for depth, ratio in (("none", 0.8), ("scan", 1.0)):
        view = PredictedView(FalseCamera(room, 0.8), depth)  # type: ignore[arg-type]
        frames = [figures_of(view(sight), exact(sight)) for sight in sights(room)]
        assert len(frames) == 14
        assert np.nanmedian([one.obstacle_ratio for one in frames]) == pytest.approx(ratio, abs=0.03)
