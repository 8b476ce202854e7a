"""A robot that drives by obstacles: it reaches its goal, and would not without them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from cinet_core.geometry import Intrinsics
from cinet_core.label_sets import NYU40
from cinet_core.obstacles.segmented import segment
from cinet_core.obstacles.settings import ObstacleSettings
from scripts.robot.box_scene import SceneBox, camera_pose, floor, render
from scripts.robot.closed_loop import SETTINGS, Room, exact_view, furnished_room
from scripts.robot.controller import TICK
from scripts.robot.costmap import CELL, FREE, LETHAL, UNKNOWN, Costmap, plan
from scripts.robot.drive import Drive, DriveResult, drive
from scripts.robot.recovery import BACK, RETRIES, ROUND, Recovery

SMALL = Drive(size=(80, 60), period=0.3)
MOUNTED = camera_pose(0.3, 5.0)
PERSON = SceneBox((1.5, 1.3, 0.0), (1.8, 1.7, 1.7), "person")


def corridor(*things: SceneBox) -> Room:
    walls = [SceneBox((-1.0, y, 0.0), (6.0, y + 0.2, 2.5), "wall") for y in (-0.2, 3.0)]
    ends = [SceneBox((x, -0.2, 0.0), (x + 0.2, 3.2, 2.5), "wall") for x in (-0.2, 5.0)]
    return Room(5.0, 3.0, (floor(), *walls, *ends, *things), (0.6, 1.5), (4.4, 1.5))


def driven(room: Room, how: Drive = SMALL, seed: int = 0, settings: ObstacleSettings = SETTINGS) -> DriveResult:
    return drive(room, how, seed, settings, exact_view(room, how))


def test_it_drives_around_a_box_and_into_it_when_told_that_it_can_drive_over() -> None:
    room = corridor(SceneBox((2.2, 1.2, 0.0), (2.6, 1.8, 0.4), "box"))
    seeing = driven(room)
    assert seeing.reached
    assert not seeing.collided
    assert driven(room, settings=dataclasses.replace(SETTINGS, min_height=0.5)).collided


def test_a_furnished_room_is_crossed() -> None:
    found = driven(furnished_room(2))
    assert found.reached
    assert not found.collided
    assert found.seconds < 40.0


@pytest.mark.soak
def test_fifty_rooms_are_crossed() -> None:
    drives = [driven(furnished_room(seed), Drive(), seed) for seed in range(50)]
    assert not [seed for seed, found in enumerate(drives) if found.collided]
    assert sum(found.reached for found in drives) >= 0.95 * len(drives)


def test_there_is_no_way_through_a_wall() -> None:
    shut = corridor(SceneBox((2.4, -0.2, 0.0), (2.6, 3.2, 1.0), "wall"))
    found = driven(shut)
    assert (found.reached, found.collided, found.given_up) == (False, False, True)
    assert found.recoveries == RETRIES
    assert found.left > 1.5


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


def test_a_way_ends_beside_a_goal_that_is_in_something() -> None:
    clearance = np.full((60, 60), 1.0, np.float32)
    clearance[40:, :] = 0.0
    assert plan(clearance, (10, 30), (45, 30), 0.2) is None
    way = plan(clearance, (10, 30), (45, 30), 0.2, tolerance=0.5)
    assert way is not None
    assert way[-1] == (39, 30), "the nearest cell that is free"
    assert plan(clearance, (10, 30), (55, 30), 0.2, tolerance=0.5) is None, "0.8 m are too many"


def test_odometry_that_is_biased_misses_by_its_share() -> None:
    room = corridor()
    biased = dataclasses.replace(SMALL, way_bias=0.05, drift=0.0)
    missed = [driven(room, biased, seed).left for seed in range(3)]
    way = 4.4 - 0.6
    factors = [1.0 + 0.05 * float(np.random.default_rng(seed).standard_normal(2)[0]) for seed in range(3)]
    for left, factor in zip(missed, factors, strict=True):
        # It stops up to 0.2 m before the place that it takes for the goal.
        assert -0.05 < left - (way - way / factor) < 0.25 or -0.05 < (way / factor - way) - left < 0.25


def test_recoveries_follow_one_another_and_end() -> None:
    costmap, recovery = Costmap(5.0, 3.0), Recovery()
    costmap.cells[:] = FREE
    seen, pose = [], (2.0, 1.5, 0.0)
    for _ in range(RETRIES):
        assert not recovery.given_up
        recovery.begin()
        commands = []
        while recovery.busy:
            commands.append(recovery.command(costmap, pose))
        seen.append(
            (len(commands), sum(speed for speed, _ in commands) * TICK, sum(turn for _, turn in commands) * TICK)
        )
    kinds = {"clear": (1, 0.0, 0.0), "spin": (16, 0.0, 1.6), "wait": (50, 0.0, 0.0), "back up": (20, -BACK, 0.0)}
    for number, found in enumerate(seen):
        assert found == pytest.approx(kinds[ROUND[number % len(ROUND)]], abs=1e-6)
    recovery.begin()
    assert recovery.given_up


def test_it_does_not_back_into_what_it_knows() -> None:
    costmap, recovery = Costmap(5.0, 3.0), Recovery()
    costmap.cells[:] = FREE
    costmap.cells[round(1.8 / CELL), :] = LETHAL
    for _ in range(4):
        recovery.begin()
    assert recovery.command(costmap, (2.0, 1.5, 0.0)) == (0.0, 0.0)
    assert not recovery.busy


def test_a_robot_that_does_not_come_on_for_ten_seconds_clears_and_then_recovers() -> None:
    recovery = Recovery()
    assert not recovery.stuck(0.0, (1.0, 1.0, 0.0))
    assert not recovery.stuck(9.9, (1.2, 1.0, 2.0))
    assert recovery.stuck(10.2, (1.3, 1.0, 0.0)) == "clear"
    assert not recovery.stuck(20.1, (1.3, 1.0, 0.0))
    assert recovery.stuck(20.3, (1.3, 1.0, 0.0)) == "recovery"
    assert not recovery.stuck(31.0, (1.6, 1.0, 0.0))
    assert recovery.stuck(41.1, (1.6, 1.0, 0.0)) == "clear", "it came on in between"


def test_what_is_marked_where_the_robot_stands_is_cleared() -> None:
    costmap = Costmap(5.0, 3.0)
    costmap.cells[:] = LETHAL
    costmap.clear_footprint((2.0, 1.5, 0.0), 0.2)
    free = np.argwhere(costmap.cells == FREE)
    reach = np.hypot(*((free + 0.5) * CELL - (2.0, 1.5)).T)
    assert len(free) == pytest.approx(np.pi * 0.2**2 / CELL**2, rel=0.1)
    assert reach.max() < 0.2
