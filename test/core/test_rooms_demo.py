from __future__ import annotations

import time

import numpy as np
import pytest

from cinet_core.geometry import Intrinsics, project, unproject
from cinet_core.label_sets import NYU40
from cinet_core.rooms.demo.layout import ROOM_SIZE
from cinet_core.rooms.demo.room import SyntheticRoom


@pytest.fixture(scope="module")
def room() -> SyntheticRoom:
    return SyntheticRoom(seed=0, width=160, height=120)


def test_types_and_sizes(room: SyntheticRoom) -> None:
    frame = room.render(0)
    assert (frame.image.shape, frame.image.dtype) == ((120, 160, 3), np.uint8)
    assert (frame.depth.shape, frame.depth.dtype) == ((120, 160), np.float32)
    assert (frame.labels.shape, frame.labels.dtype) == ((120, 160), np.uint8)
    assert frame.camera_to_world.shape == (4, 4)


def test_every_pixel_of_the_loop_sees_something_inside_the_room(room: SyntheticRoom) -> None:
    for index in range(0, 48, 5):
        frame = room.render(index)
        assert np.isfinite(frame.depth).all()
        rotation, origin = frame.camera_to_world[:3, :3], frame.camera_to_world[:3, 3]
        np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(rotation) == pytest.approx(1.0)
        world = unproject(frame.depth, room.intrinsics) @ rotation.T + origin
        assert (world > -1e-3).all()
        assert (world < np.array(ROOM_SIZE) + 1e-3).all()


def test_labels_lie_where_the_room_has_them(room: SyntheticRoom) -> None:
    frame = room.render(24)
    world = unproject(frame.depth, room.intrinsics) @ frame.camera_to_world[:3, :3].T
    height = (world + frame.camera_to_world[:3, 3])[..., 2]
    floor, wall = NYU40.ids(["floor", "wall"])
    assert (frame.labels == floor).any()
    np.testing.assert_allclose(height[frame.labels == floor], 0.0, atol=1e-3)
    assert height[frame.labels == wall].max() > 1.8


def test_a_loop_shows_many_classes(room: SyntheticRoom) -> None:
    seen = set().union(*(np.unique(room.render(index).labels) for index in range(0, 48, 4)))
    names = {NYU40.classes[i] for i in seen}
    assert {"wall", "floor", "table", "chair", "sofa", "bed", "person", "window", "door", "books"} <= names
    assert len(names) >= 20


def test_the_loop_is_closed_and_deterministic(room: SyntheticRoom) -> None:
    first, again = room.render(3), SyntheticRoom(seed=0, width=160, height=120).render(48 + 3)
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.depth, again.depth)
    step = room.render(47).camera_to_world[:3, 3] - room.render(48).camera_to_world[:3, 3]
    assert 0.0 < np.linalg.norm(step) < 0.3


def test_seeds_give_different_rooms(room: SyntheticRoom) -> None:
    assert (SyntheticRoom(seed=1, width=160, height=120).render(0).image != room.render(0).image).mean() > 0.5


def test_neighbouring_views_agree_in_space(room: SyntheticRoom) -> None:
    """Warping one view's points into the next finds the same depth and class, but for occlusion."""
    a, b = room.render(10, 240), room.render(11, 240)
    world = unproject(a.depth, room.intrinsics) @ a.camera_to_world[:3, :3].T + a.camera_to_world[:3, 3]
    in_b = (world - b.camera_to_world[:3, 3]) @ b.camera_to_world[:3, :3]
    u, v = np.rint(np.moveaxis(project(in_b, room.intrinsics), -1, 0))
    inside = (u >= 0) & (u < 160) & (v >= 0) & (v < 120)
    columns, rows = u[inside].astype(int), v[inside].astype(int)
    assert inside.mean() > 0.8
    assert (a.labels[inside] == b.labels[rows, columns]).mean() > 0.9
    relative = np.abs(b.depth[rows, columns] / in_b[..., 2][inside] - 1.0)
    assert np.median(relative) < 0.01


def test_a_camera_of_ones_own() -> None:
    camera = Intrinsics(70.0, 75.0, 40.0, 33.0, 101, 67)
    frame = SyntheticRoom(intrinsics=camera).render(0)
    assert frame.depth.shape == (67, 101)


def test_an_empty_loop_is_refused(room: SyntheticRoom) -> None:
    with pytest.raises(ValueError, match="frames is 0"):
        room.render(0, frames=0)


def test_a_vga_frame_costs_tens_of_milliseconds() -> None:
    room = SyntheticRoom()
    room.render(0)
    fastest = float("inf")
    for index in (5, 20, 35, 40):
        start = time.perf_counter()
        room.render(index)
        fastest = min(fastest, time.perf_counter() - start)
    assert fastest < 0.2, "measured: 0.04 s on one core; the limit leaves room for a busy machine"
