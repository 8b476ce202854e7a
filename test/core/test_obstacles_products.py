"""The scan, the cliffs and the objects of exact scenes."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest

from cinet_core.label_sets import NYU40
from cinet_core.obstacles.cliffs import Cliffs, find_cliffs
from cinet_core.obstacles.instances import ObjectInstance, find_instances
from cinet_core.obstacles.scan import LaserScan, laser_scan
from cinet_core.obstacles.segmented import segment
from cinet_core.obstacles.settings import ObstacleSettings
from cinet_core.obstacles.tracking import ObjectTracker
from scripts.robot.box_scene import SceneBox, camera_pose, floor, render

LOW = camera_pose(0.3)
BACK_WALL = SceneBox((5.0, -6.0, -3.0), (5.2, 6.0, 3.0), "wall")
STEP, RISE = 0.28, 0.17


def scan_of(boxes: list[SceneBox], pose: npt.NDArray[np.float64] = LOW, **settings: float) -> LaserScan:
    return laser_scan(segment(render(boxes, pose), NYU40, ObstacleSettings(**settings)))


def cliffs_of(boxes: list[SceneBox], pose: npt.NDArray[np.float64] = LOW) -> Cliffs:
    return find_cliffs(segment(render(boxes, pose), NYU40))


def stairs_down(begin: float) -> list[SceneBox]:
    treads = [
        SceneBox(
            (begin + STEP * i, -6.0, -RISE * (i + 1) - 0.1), (begin + STEP * (i + 1), 6.0, -RISE * (i + 1)), "floor"
        )
        for i in range(12)
    ]
    return [floor((-1.0, begin)), *treads, BACK_WALL]


def test_the_scan_measures_a_wall() -> None:
    scan = scan_of([floor(), SceneBox((3.0, -6.0, 0.0), (3.2, 6.0, 3.0), "wall")])
    angles = scan.bearings.middles
    seen = np.abs(angles) < math.radians(29.0)
    assert np.allclose(scan.ranges[seen], 3.0 / np.cos(angles[seen]), rtol=0.01)
    assert np.degrees(angles[[0, -1]]) == pytest.approx([-30.0, 30.0], abs=1.0)


def test_the_scan_is_free_where_the_camera_sees_far_and_finite_at_a_pole() -> None:
    pole = SceneBox((2.0, -0.05, 0.0), (2.1, 0.05, 1.5), "lamp")
    scan = scan_of([floor(), BACK_WALL, pole])
    degrees = np.degrees(scan.bearings.middles)
    assert np.allclose(scan.ranges[np.abs(degrees) < 1.2], 2.0, atol=0.02)
    beside = (np.abs(degrees) > 2.0) & (np.abs(degrees) < 29.0)
    assert np.isinf(scan.ranges[beside]).all()


def test_the_scan_does_not_know_where_depth_is_missing_or_the_floor_alone_is_seen() -> None:
    frame = render([floor(), BACK_WALL], LOW)
    frame.depth[:, :320] = np.nan
    scan = laser_scan(segment(frame, NYU40))
    degrees = np.degrees(scan.bearings.middles)
    assert np.isnan(scan.ranges[degrees > 1.0]).all(), "the image's left is a positive bearing"
    assert np.isinf(scan.ranges[(degrees < -1.0) & (degrees > -29.0)]).all()
    downwards = scan_of([floor(), BACK_WALL], camera_pose(1.0, 50.0))
    assert np.isnan(downwards.ranges).all(), "nothing is seen at 4 m"


def test_the_scan_has_a_band_of_heights() -> None:
    low, high = SceneBox((2.0, -0.5, 0.0), (2.1, 0.5, 0.2), "box"), SceneBox((2.5, -0.5, 0.8), (2.6, 0.5, 1.4), "lamp")
    boxes, pose = [floor(), BACK_WALL, low, high], camera_pose(0.8)
    for band, distance in (((0.05, 1.5), 2.0), ((0.4, 1.5), 2.5), ((0.05, 0.7), 2.0), ((0.3, 0.7), math.inf)):
        scan = scan_of(boxes, pose, scan_min_height=band[0], scan_max_height=band[1])
        middle = scan.ranges[np.abs(scan.bearings.middles) < math.radians(5.0)]
        assert np.allclose(middle, distance, atol=0.08), band


@pytest.mark.parametrize("height", [0.3, 0.6, 1.0])
def test_stairs_down_are_a_cliff_at_their_edge(height: float) -> None:
    cliffs = cliffs_of(stairs_down(1.5), camera_pose(height, 15.0))
    assert len(cliffs) > 80
    assert np.abs(cliffs.xyz[:, 0] - 1.5).max() < 0.05
    assert np.abs(cliffs.xyz[:, 2]).max() < 0.02
    assert cliffs.drop.min() > RISE * 0.9


def test_a_drop_off_beside_the_way_is_a_cliff_there_and_nowhere_else() -> None:
    way = SceneBox((-1.0, -6.0, -0.1), (12.0, 0.5, 0.0), "floor")
    cliffs = cliffs_of([way, floor(z=-0.8), BACK_WALL], camera_pose(0.5, 10.0))
    assert len(cliffs) > 20
    assert np.abs(cliffs.xyz[:, 1] - 0.5).max() < 0.1
    assert cliffs.drop.max() == pytest.approx(0.8, abs=0.02), "of the others the wall behind is seen"


def test_floor_and_obstacles_are_no_cliffs() -> None:
    boxes = [SceneBox((1.0, -0.3, 0.0), (1.3, 0.3, 0.4), "box"), SceneBox((2.0, 0.5, 0.7), (3.0, 1.5, 0.74), "table")]
    assert len(cliffs_of([floor(), BACK_WALL, *boxes], camera_pose(0.9, 20.0))) == 0
    threshold = [floor((-1.0, 1.5)), floor((1.5, 12.0), z=-0.05), BACK_WALL]
    assert len(cliffs_of(threshold, camera_pose(0.5, 15.0))) == 0, "5 cm down can be driven"


def test_a_mirror_on_the_floor_is_no_cliff() -> None:
    frame = render([floor((-1.0, 1.5)), floor((1.5, 9.0), z=-0.8), BACK_WALL], camera_pose(0.5, 15.0))
    frame.labels[frame.labels == 255] = 0
    below = find_cliffs(segment(frame, NYU40, ObstacleSettings(glass="measured")))
    assert len(below) > 50
    rows = np.arange(frame.labels.shape[0])
    frame.labels[rows < 330] = NYU40.ids(["mirror"])[0]
    assert len(find_cliffs(segment(frame, NYU40, ObstacleSettings(glass="measured")))) < len(below) / 4


def instances_of(boxes: list[SceneBox], pose: npt.NDArray[np.float64] = LOW) -> list[ObjectInstance]:
    return find_instances(segment(render(boxes, pose), NYU40), NYU40)


def test_a_person_has_a_box_of_its_place_and_size() -> None:
    person = SceneBox((2.0, 0.25, 0.0), (2.3, 0.75, 1.75), "person")
    (found,) = instances_of([floor(), BACK_WALL, person], camera_pose(1.2, 10.0))
    assert (found.name, found.dynamic, found.confidence) == ("person", True, 1.0)
    assert found.centre[:2] == pytest.approx([2.15, 0.5], abs=0.16), "its back is not seen"
    assert max(found.size[:2]) == pytest.approx(0.5, abs=0.05)
    assert found.centre[2] + found.size[2] / 2 == pytest.approx(1.75, abs=0.05)


def test_a_turned_cabinet_has_a_turned_box() -> None:
    cabinet = SceneBox((0.0, 0.0, 0.0), (0.4, 1.0, 0.8), "cabinet", pivot=(2.0, -0.5, 0.0), yaw=30.0)
    (found,) = instances_of([floor(), BACK_WALL, cabinet], camera_pose(1.3, 25.0))
    assert found.size == pytest.approx([1.0, 0.4, 0.75], abs=0.06)
    assert math.degrees(found.yaw) % 180.0 == pytest.approx(120.0, abs=3.0)
    middle = cabinet.axes() @ np.array([0.2, 0.5, 0.0]) + cabinet.pivot
    assert found.centre[:2] == pytest.approx(middle[:2], abs=0.05)


def test_things_of_one_class_that_do_not_touch_are_two_and_parts_of_one_are_one() -> None:
    one = SceneBox((2.0, -0.6, 0.0), (2.3, -0.2, 0.8), "cabinet")
    two = SceneBox((2.6, -0.3, 0.0), (2.9, 0.4, 0.8), "cabinet")  # behind, and next to it in the image
    assert len(instances_of([floor(), BACK_WALL, one, two], camera_pose(0.9, 10.0))) == 2
    post = SceneBox((1.5, 0.04, 0.0), (1.53, 0.07, 1.5), "wall")  # divides the image of the second
    assert len(instances_of([floor(), BACK_WALL, one, two, post], camera_pose(0.9, 10.0))) == 2


def test_instances_are_furniture_and_people_within_range() -> None:
    lamp = SceneBox((2.0, -0.2, 0.0), (2.2, 0.2, 1.0), "lamp")
    far = SceneBox((4.5, -0.2, 0.0), (4.6, 0.2, 1.0), "person")
    assert instances_of([floor(), BACK_WALL, lamp, far]) == []


def seen_at(distance: float, label: str = "chair", y: float = 0.0) -> ObjectInstance:
    dynamic = label == "person"
    number = NYU40.ids([label])[0]
    return ObjectInstance(
        number, label, np.array([distance, y, 0.4]), np.array([0.4, 0.4, 0.8]), 0.0, 0.9, 500, dynamic
    )


def moved(x: float, yaw: float = 0.0) -> npt.NDArray[np.float64]:
    transform = np.eye(4)
    transform[:2, :2] = [[math.cos(yaw), -math.sin(yaw)], [math.sin(yaw), math.cos(yaw)]]
    transform[0, 3] = x
    return transform


def test_ids_last_while_the_robot_drives() -> None:
    tracker, ids = ObjectTracker(confirm_after=2), []
    for frame in range(20):
        x = 0.05 * frame  # 0.5 m/s at 10 Hz, towards two chairs at 3 and 4 m
        instances = [seen_at(4.0 - x, y=1.0), seen_at(3.0 - x)]
        tracked = tracker.update(instances[:: 1 if frame % 2 else -1], moved(x), frame * 10**8)
        ids.append(sorted((thing.instance.centre[0], thing.id) for thing in tracked))
    assert ids[0] == []
    assert len({tuple(number for _, number in row) for row in ids[1:]}) == 1
    assert [x for x, _ in ids[-1]] == pytest.approx([3.0, 4.0], abs=1e-6)


def test_an_object_in_the_fixed_frame_is_turned_with_the_robot() -> None:
    (thing,) = ObjectTracker(confirm_after=1).update([seen_at(2.0)], moved(1.0, math.pi / 2), 0)
    assert thing.instance.centre == pytest.approx([1.0, 2.0, 0.4])
    assert abs(thing.instance.yaw) == pytest.approx(math.pi / 2)


def test_what_is_gone_is_forgotten_and_its_id_does_not_come_again() -> None:
    tracker = ObjectTracker(forget_after=1.0, confirm_after=1)
    (first,) = tracker.update([seen_at(2.0, "person")], np.eye(4), 0)
    assert tracker.update([], np.eye(4), 9 * 10**8)[0].id == first.id
    assert tracker.update([], np.eye(4), 11 * 10**8) == []
    (second,) = tracker.update([seen_at(2.0, "person")], np.eye(4), 12 * 10**8)
    assert second.id > first.id
    (third,) = tracker.update([seen_at(2.0, "person")], np.eye(4), 0)
    assert third.id > second.id, "the clock went back"


def test_another_class_or_place_is_another_object() -> None:
    tracker = ObjectTracker(confirm_after=1)
    tracker.update([seen_at(2.0)], np.eye(4), 0)
    found = tracker.update([seen_at(2.0, "person"), seen_at(2.6)], np.eye(4), 10**8)
    assert len({thing.id for thing in found}) == 3


def test_the_tracker_refuses_what_is_no_motion() -> None:
    with pytest.raises(ValueError, match="max_distance is 0: it must be above 0"):
        ObjectTracker(max_distance=0)
    for transform in (np.eye(3), np.full((4, 4), np.nan), np.diag([2.0, 1.0, 1.0, 1.0])):
        with pytest.raises(ValueError, match=r"base_to_fixed is .*give the transform"):
            ObjectTracker().update([], transform, 0)
