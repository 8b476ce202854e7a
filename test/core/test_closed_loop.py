"""A robot that drives by obstacles: it reaches its goal, and would not without them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from cinet_core.geometry import Intrinsics
from cinet_core.label_sets import NYU40
from cinet_core.obstacles.segmented import segment
from scripts.robot.box_scene import SceneBox, camera_pose, floor, render
from scripts.robot.closed_loop import SETTINGS, Drive, Room, drive, furnished_room
from scripts.robot.costmap import FREE, LETHAL, UNKNOWN, Costmap, plan

SMALL = Drive(size=(80, 60), period=0.3)
MOUNTED = camera_pose(0.3, 5.0)
PERSON = SceneBox((1.5, 1.3, 0.0), (1.8, 1.7, 1.7), "person")


def corridor(*things: SceneBox) -> Room:
    walls = [SceneBox((-1.0, y, 0.0), (6.0, y + 0.2, 2.5), "wall") for y in (-0.2, 3.0)]
    ends = [SceneBox((x, -0.2, 0.0), (x + 0.2, 3.2, 2.5), "wall") for x in (-0.2, 5.0)]
    return Room(5.0, 3.0, (floor(), *walls, *ends, *things), (0.6, 1.5), (4.4, 1.5))


def test_it_drives_around_a_box_and_into_it_when_told_that_it_can_drive_over() -> None:
    room = corridor(SceneBox((2.2, 1.2, 0.0), (2.6, 1.8, 0.4), "box"))
    seeing = drive(room, SMALL)
    assert seeing.reached
    assert not seeing.collided
    assert drive(room, SMALL, settings=dataclasses.replace(SETTINGS, min_height=0.5)).collided


def test_a_furnished_room_is_crossed() -> None:
    found = drive(furnished_room(2), SMALL)
    assert found.reached
    assert not found.collided
    assert found.seconds < 40.0


@pytest.mark.soak
def test_fifty_rooms_are_crossed() -> None:
    drives = [drive(furnished_room(seed), Drive(), seed) for seed in range(50)]
    assert not [seed for seed, found in enumerate(drives) if found.collided]
    assert sum(found.reached for found in drives) >= 0.95 * len(drives)


def test_there_is_no_way_through_a_wall() -> None:
    shut = corridor(SceneBox((2.4, -0.2, 0.0), (2.6, 3.2, 1.0), "wall"))
    found = drive(shut, dataclasses.replace(SMALL, limit=8.0))
    assert (found.reached, found.collided) == (False, False)


def test_a_person_who_leaves_is_gone_with_the_next_frame() -> None:
    costmap, camera = Costmap(5.0, 3.0), Intrinsics.from_fov(160, 120, 90.0)
    room = corridor().boxes
    at = np.eye(4)
    at[:2, 3] = 0.3, 1.5
    place = np.s_[30:32, 27:33]
    for things, value in (((*room, PERSON), LETHAL), (room, FREE)):
        costmap.update(
            segment(render(things, at @ MOUNTED, camera, believed=MOUNTED), NYU40, SETTINGS), (0.3, 1.5, 0.0)
        )
        assert (costmap.cells[place] == value).mean() > 0.45
    assert not (costmap.cells[place] == LETHAL).any()
    assert costmap.cells[2, 2] == UNKNOWN, "beside the image"


def test_a_way_keeps_its_distance_and_leaves_a_tight_start() -> None:
    cells = np.full((60, 60), True)
    cells[30, :40] = False
    clearance = np.array(
        [[min(np.hypot(i - 30, max(j - 39, 0)) * 0.05, 1.0) for j in range(60)] for i in range(60)], np.float32
    )
    way = plan(clearance, (10, 10), (50, 10), 0.2)
    assert way is not None
    assert way[0] == (10, 10)
    assert way[-1] == (50, 10)
    assert min(clearance[cell] for cell in way) > 0.2
    assert plan(clearance, (28, 10), (10, 10), 0.2) is not None, "from within the margin"
    assert plan(clearance, (10, 10), (30, 10), 0.2) is None
