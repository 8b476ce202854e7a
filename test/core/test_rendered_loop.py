"""The rendered rooms that a robot drives through by predicted depth: what is rendered is what it would hit."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest

from cinet_core.label_sets import NYU40
from cinet_core.obstacles.clouds import obstacle_points
from cinet_core.obstacles.segmented import segment
from scripts.robot.closed_loop import Drive, drive, in_room
from scripts.robot.rendered_loop import (
    FINE,
    SETTINGS,
    SIZE,
    RenderedRoom,
    Strip,
    exact_view,
    rendered_room,
)


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
    see = exact_view(room)
    for yaw in (0.0, 2.0, 4.0):
        pose = (*room.start, yaw)
        points = obstacle_points(segment(see(pose), NYU40, SETTINGS)).xyz.astype(np.float64)
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
    result = drive(room, how, settings=dataclasses.replace(SETTINGS), see=exact_view(room), watch=strip.watch)
    assert not result.collided
    strip.save(tmp_path / "strip.png", columns=2)
    drawn = cv2.imread(str(tmp_path / "strip.png"))
    assert drawn.shape == (4 * SIZE[1], 2 * SIZE[0], 3)
    assert drawn[3 * SIZE[1] :].std() > 10, "the costmap"
