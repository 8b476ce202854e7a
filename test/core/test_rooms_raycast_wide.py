"""Wide views and camera paths: the ranges that they are for, and that the furnished rooms stay what they were."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from cinet_core.data.posed_dataset import PosedDataset
from cinet_core.data.registry import open_dataset
from cinet_core.evaluation.stability import PosedPrediction, unexplained_change
from cinet_core.rooms.medians import MEDIANS, median_of
from cinet_core.rooms.raycast import PLAIN_SENSOR, CameraRange, SyntheticRooms
from cinet_core.rooms.raycast.camera import PosedCamera, clearance
from cinet_core.rooms.raycast.layout import furnished_room
from cinet_core.rooms.raycast.paths import LEAST_CLEARANCE, STEP, TURN, camera_path
from cinet_core.rooms.raycast.primitives import MAX_LIGHTS, Scene
from cinet_core.rooms.raycast.spaces import FARTHEST, corridor, hall, open_office, room_behind_a_doorway
from cinet_core.rooms.raycast.viewpoints import ROBOT_HEIGHT, along, before_a_doorway, near_a_top, robot
from cinet_core.rooms.raycast.wide import VIEW_KINDS, draw_kind
from cinet_core.rooms.vocabulary import LABEL

COUNT = 48
LIMITS = CameraRange()


def rooms(length: int, **options: object) -> SyntheticRooms:
    return SyntheticRooms(length, 3, 32, 24, sensor=PLAIN_SENSOR, shadows=False, **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def depths() -> np.ndarray:
    """(COUNT, 24, 32) metres of wide views."""
    return rooms(COUNT, views="wide").render(range(COUNT)).depth.numpy()


def test_much_is_near_and_much_is_far(depths: np.ndarray) -> None:
    assert (depths < 0.75).mean() >= 0.10
    assert (depths > 5.0).mean() >= 0.15
    assert (depths > FARTHEST + 1.5).mean() < 0.01
    assert 0.1 < depths.min() < 0.3
    assert (depths > 0).all()


def test_medians_are_even_in_their_logarithm(depths: np.ndarray) -> None:
    medians = np.median(depths, axis=(1, 2))
    counts, _ = np.histogram(medians, (0.3, 1.0, 2.0, 4.0, 9.0))  # an octave each
    assert counts.sum() == COUNT
    assert counts.min() >= 0.6 * COUNT / 4
    assert counts.max() <= 1.5 * COUNT / 4


def test_furnished_views_are_neither_near_nor_far() -> None:
    """What the wide ones are for."""
    depths = rooms(16).render(range(16)).depth.numpy()
    assert (depths < 0.75).mean() < 0.08
    assert (depths > 5.0).mean() < 0.06


def test_medians_are_even_and_every_kind_is_taken() -> None:
    rng = np.random.default_rng(0)
    for seed in (0, 5):
        wanted = [median_of(seed, index) for index in range(40)]
        octaves = np.log2(np.array(wanted) / MEDIANS[0])
        counts, _ = np.histogram(octaves, 4, (0, math.log2(MEDIANS[1] / MEDIANS[0])))
        assert counts.sum() == 40
        assert abs(counts - 10).max() <= 1
    assert median_of(0, 0) != median_of(5, 0)
    taken = {id(draw_kind(rng, median)) for median in wanted for _ in range(20)}
    assert taken == {id(kind) for kind in VIEW_KINDS.values()}
    for median in wanted:
        kind = draw_kind(rng, median)
        assert kind.medians[0] <= median <= kind.medians[1]


def test_furnished_rooms_are_what_they_were() -> None:
    """The rooms of every seed are pinned: trainings and tests name them by number."""
    counts = [len(furnished_room(np.random.default_rng([7, index])).primitives) for index in range(8)]
    assert counts == [165, 87, 100, 87, 97, 99, 126, 99]


@pytest.mark.parametrize("build", [corridor, hall, open_office, room_behind_a_doorway])
def test_spaces_are_large_and_lit(build) -> None:  # type: ignore[no-untyped-def]
    longest = 0.0
    for number in range(6):
        scene = build(np.random.default_rng([1, number]))
        longest = max(longest, max(scene.size[:2]))
        assert max(scene.size[:2]) <= FARTHEST
        assert 1 <= len(scene.lights) <= MAX_LIGHTS
        assert {LABEL.wall, LABEL.floor, LABEL.ceiling} <= {solid.label for solid in scene.primitives}
    assert longest > 6.5


def test_a_corridor_is_narrow_and_has_doors_on_its_long_sides() -> None:
    doors = 0
    for number in range(30):  # narrower than a rug, too
        scene = corridor(np.random.default_rng([2, number]))
        assert 1.3 <= min(scene.size[:2]) <= 2.6
        doors += sum(solid.label == LABEL.door for solid in scene.primitives)
    assert doors > 30 * 3


def test_a_doorway_is_stood_before_and_looked_through() -> None:
    for number in range(6):
        rng = np.random.default_rng([3, number])
        scene = room_behind_a_doorway(rng)
        assert scene.doorway is not None
        pose = next(found for _ in range(50) if (found := before_a_doorway(rng, scene, LIMITS)) is not None)
        away = np.array(scene.doorway.threshold) - pose[:2, 3]
        assert away @ np.array(scene.doorway.inward) > 0.2  # outside
        assert pose[:2, 2] @ np.array(scene.doorway.inward) > 0.6  # and looking in
    closed = Scene(scene.primitives, scene.lights, scene.ambient, scene.size)
    assert before_a_doorway(rng, closed, LIMITS) is None


def test_a_robot_is_low_and_a_corridor_is_looked_along() -> None:
    rng = np.random.default_rng(4)
    scene = corridor(rng)
    poses = [found for _ in range(60) if (found := robot(rng, scene, LIMITS)) is not None]
    assert poses
    assert all(ROBOT_HEIGHT[0] <= pose[2, 3] <= ROBOT_HEIGHT[1] for pose in poses)
    long = int(scene.size[1] > scene.size[0])
    poses = [found for _ in range(20) if (found := along(rng, scene, LIMITS)) is not None]
    assert poses
    assert all(abs(pose[long, 2]) > 0.75 for pose in poses)


def test_a_top_is_near_and_the_camera_in_the_room() -> None:
    rng = np.random.default_rng(5)
    scene = open_office(rng)
    poses = [found for _ in range(40) if (found := near_a_top(rng, scene, LIMITS)) is not None]
    assert len(poses) > 5
    tops = np.array([s.center for s in scene.primitives if s.label in (LABEL.desk, LABEL.table)])
    for pose in poses:
        assert (pose[:2, 3] > 0).all()
        assert (pose[:2, 3] < np.array(scene.size[:2])).all()
        assert pose[2, 3] > 0.4
    nearest = [np.linalg.norm(tops - pose[:3, 3], axis=1).min() for pose in poses]
    assert np.median(nearest) < 1.5
    assert near_a_top(rng, Scene(scene.primitives[:1], scene.lights, scene.ambient, scene.size), LIMITS) is None


def test_wide_views_depend_on_seed_and_number_only() -> None:
    first, second = rooms(5, views="wide"), rooms(50, views="wide")
    second.view(7)
    np.testing.assert_array_equal(first.view(2).camera.camera_to_world, second.view(2).camera.camera_to_world)
    assert not np.array_equal(first.view(2).camera.camera_to_world, first.view(3).camera.camera_to_world)


def test_a_path_is_one_steady_motion_through_free_space() -> None:
    for number in range(4):
        view = rooms(4).view(number)
        cameras = camera_path(np.random.default_rng(number), view.scene, view.camera, 8)
        assert len(cameras) == 8
        assert cameras[0] is view.camera or np.array_equal(cameras[0].camera_to_world, view.camera.camera_to_world)
        poses = np.array([camera.camera_to_world for camera in cameras])
        steps = np.linalg.norm(np.diff(poses[:, :3, 3], axis=0), axis=1)
        assert np.ptp(steps) < 1e-9
        assert steps.max() <= STEP[1]
        assert all(clearance(view.scene, pose[:3, 3]) >= LEAST_CLEARANCE for pose in poses[1:]) or steps.max() == 0
        for before, after in itertools.pairwise(poses):
            turn = before[:3, :3].T @ after[:3, :3]
            assert math.degrees(math.acos(min(1.0, (np.trace(turn) - 1) / 2))) <= TURN + 1e-6
            np.testing.assert_allclose(turn.T @ turn, np.eye(3), atol=1e-12)


def test_a_walled_in_camera_only_turns() -> None:
    view = rooms(1).view(0)
    solid = view.scene.primitives[0]
    inside = view.camera.camera_to_world.copy()
    inside[:3, 3] = solid.center
    cameras = camera_path(np.random.default_rng(0), view.scene, PosedCamera(view.camera.intrinsics, inside), 4)
    assert all(np.array_equal(camera.camera_to_world[:3, 3], solid.center) for camera in cameras)


def test_samples_on_a_path_share_their_room_and_know_their_poses() -> None:
    served = rooms(12, path=6)
    assert [served.name(index) for index in (0, 5, 6)] == [
        "synthetic-3-000000-00", "synthetic-3-000000-05", "synthetic-3-000001-00"
    ]  # fmt: skip
    assert served.view(5).scene is served.view(0).scene
    assert served.view(6).scene is not served.view(0).scene
    first, second = (served.pose(index) for index in (0, 1))
    assert first is not None
    assert second is not None
    assert np.linalg.norm(first[:3, 3] - second[:3, 3]) <= STEP[1]
    assert served.world(0) == served.world(5) != served.world(6)
    assert rooms(2).pose(0) is None
    np.testing.assert_array_equal(served.view(0).camera.camera_to_world, rooms(2).view(0).camera.camera_to_world)


def test_true_poses_explain_how_depth_changes_along_a_path() -> None:
    served = SyntheticRooms(4, 5, 96, 72, sensor=PLAIN_SENSOR, shadows=False, views="wide", path=4)
    frames = []
    for index in range(2):
        sample, where = served[index], served.pose(index)
        assert where is not None
        assert sample.intrinsics is not None
        frames.append(PosedPrediction(index, sample.depth, sample.depth, sample.intrinsics, where))
    change = unexplained_change(*frames)
    assert change.size > 0.5 * 96 * 72
    assert np.median(np.abs(change)) < 2e-3


def test_the_data_set_has_these_options() -> None:
    small = {"width": 32, "height": 24, "shadows": False, "length": 4, "validation_length": 4, "test_length": 4}
    dataset = open_dataset("", "test", "synthetic_rooms", **small, views="wide", path=4)
    assert isinstance(dataset, PosedDataset)
    assert all(dataset.pose(index) is not None for index in range(4))
    assert len({dataset.world(index) for index in range(4)}) == 1
    assert dataset.name(3).endswith("-000000-03")
    assert isinstance(dataset[3].depth, torch.Tensor)
    with pytest.raises(ValueError, match="there are no views 'far': choose one of furnished, wide"):
        open_dataset("", "test", "synthetic_rooms", **small, views="far")
    with pytest.raises(ValueError, match="path is 17 frames: it must be from 1 to 16"):
        open_dataset("", "test", "synthetic_rooms", **small, path=17)


def test_limits_that_leave_nothing_are_told() -> None:
    with pytest.raises(RuntimeError, match="widen its limits"):
        rooms(1, views="wide", cameras=CameraRange(horizontal_fov=(0.1, 0.1))).view(0)
