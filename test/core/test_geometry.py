from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinet_core.geometry import (
    Intrinsics,
    depth_edges,
    fit_network_size,
    network_focal,
    project,
    to_canonical,
    to_metric,
    unproject,
    without_edges,
)
from cinet_core.rooms.demo.layout import Box
from cinet_core.rooms.demo.room import SyntheticRoom

CAMERA = Intrinsics(500.0, 510.0, 315.0, 243.0, 640, 480)


@pytest.mark.parametrize(
    ("field", "value"),
    [("fx", 0.0), ("fy", -1.0), ("fx", math.nan), ("cx", math.inf), ("width", math.nan), ("width", 0), ("height", -3)],
)
def test_values_that_no_camera_has_are_refused_by_name(field: str, value: float) -> None:
    values = {"fx": 500.0, "fy": 500.0, "cx": 1.0, "cy": 1.0, "width": 4, "height": 3} | {field: value}
    with pytest.raises(ValueError, match=f"{field} is "):
        Intrinsics(**values)


def test_matrix_round_trip_in_both_layouts() -> None:
    assert Intrinsics.from_matrix(CAMERA.matrix(), 640, 480) == CAMERA
    assert Intrinsics.from_matrix(CAMERA.matrix().ravel().tolist(), 640, 480) == CAMERA
    with pytest.raises(ValueError, match="nine values"):
        Intrinsics.from_matrix(np.eye(4), 640, 480)


def test_field_of_view() -> None:
    assert Intrinsics.from_fov(640, 480, 90.0).fx == pytest.approx(320.0)
    with pytest.raises(ValueError, match="180"):
        Intrinsics.from_fov(640, 480, 180.0)


def test_resizing_scales_as_image_proc_does() -> None:
    assert CAMERA.resized(320, 120) == Intrinsics(250.0, 127.5, 157.5, 60.75, 320, 120)


def test_a_crop_moves_only_the_principal_point() -> None:
    assert CAMERA.cropped(15, 3, 600, 400) == Intrinsics(500.0, 510.0, 300.0, 240.0, 600, 400)


def test_a_flip_mirrors_projections() -> None:
    point = np.array([0.3, -0.2, 2.0])
    u, v = project(point, CAMERA)
    mirrored = project(point * [-1, 1, 1], CAMERA.flipped())
    np.testing.assert_allclose(mirrored, [CAMERA.width - 1 - u, v])
    assert CAMERA.flipped().flipped() == CAMERA


@given(zoom=st.floats(0.25, 4.0), depth=st.floats(0.2, 10.0))
def test_zooming_leaves_metric_depth_alone(zoom: float, depth: float) -> None:
    zoomed = Intrinsics(500.0 * zoom, 510.0 * zoom, 0.0, 0.0, 640, 480)
    f_net = network_focal(zoomed, 320, 240)
    assert f_net == pytest.approx(zoom * math.sqrt(250.0 * 255.0))
    canonical = to_canonical(depth, f_net, 262.5)
    assert canonical == pytest.approx(depth * 262.5 / f_net)
    assert to_metric(canonical, f_net, 262.5) == pytest.approx(depth)


def test_network_focal_under_anisotropic_resizing() -> None:
    assert network_focal(CAMERA, 320, 480) == pytest.approx(math.sqrt(250.0 * 510.0))


def test_unprojection_inverts_projection() -> None:
    rng = np.random.default_rng(0)
    depth = rng.uniform(0.2, 9.0, (480, 640)).astype(np.float32)
    points = unproject(depth, CAMERA)
    assert points.dtype == np.float32
    columns, rows = np.meshgrid(np.arange(640), np.arange(480))
    np.testing.assert_allclose(project(points, CAMERA), np.stack([columns, rows], -1), atol=2e-3)
    np.testing.assert_array_equal(points[..., 2], depth)


def test_unknown_depth_has_no_point() -> None:
    depth = np.array([[1.0, 0.0, -1.0], [np.nan, np.inf, -np.inf]])
    points = unproject(depth, Intrinsics(10.0, 10.0, 1.0, 0.5, 3, 2))
    np.testing.assert_allclose(points[0, 0], [-0.1, -0.05, 1.0], rtol=1e-6)
    assert np.isnan(points.reshape(-1, 3)[1:]).all()
    assert depth[0, 1] == 0.0, "the caller's array is left alone"


def test_unprojection_refuses_intrinsics_of_another_size() -> None:
    with pytest.raises(ValueError, match=r"320x240 .* 640x480"):
        unproject(np.ones((240, 320)), CAMERA)
    with pytest.raises(ValueError, match=r"\(H, W\)"):
        unproject(np.ones((480, 640, 1)), CAMERA)


def test_points_behind_the_camera_have_no_pixel() -> None:
    pixels = project(np.array([[0.0, 0.0, -1.0], [0.0, 0.0, 0.0], [0.0, 0.0, 1.0]]), CAMERA)
    assert np.isnan(pixels[:2]).all()
    np.testing.assert_allclose(pixels[2], [315.0, 243.0])


def test_the_corners_of_a_cuboid_are_recovered_within_a_millimetre() -> None:
    """Depth of a cuboid, rendered exactly, unprojected, its faces fitted and intersected: the known corner."""
    room = SyntheticRoom(0, intrinsics=CAMERA)
    view = room.render(8)
    world = unproject(view.depth, CAMERA) @ view.camera_to_world[:3, :3].T + view.camera_to_world[:3, 3]
    cuboid = Box("box", (2.44, 2.3, 0.74), (2.76, 2.54, 0.94), (0, 0, 0))  # on the table
    mine = (view.labels == 28) & (np.abs(world - [2.6, 2.42, 0.84]) < [0.17, 0.13, 0.11]).all(axis=-1)
    points = world[mine].astype(np.float64)
    assert len(points) > 1000

    visible = []
    for axis in range(3):
        for plane in (cuboid.low[axis], cuboid.high[axis]):
            others = [other for other in range(3) if other != axis]
            inside = np.ones(len(points), dtype=bool)
            for other in others:  # away from the edges, where two faces meet
                inside &= points[:, other] > cuboid.low[other] + 0.01
                inside &= points[:, other] < cuboid.high[other] - 0.01
            on_face = points[inside & (np.abs(points[:, axis] - plane) < 0.005)]
            if len(on_face) > 200:
                centre = on_face.mean(axis=0)
                normal = np.linalg.svd(on_face - centre, full_matrices=False)[2][-1]
                visible.append((axis, plane, normal, float(normal @ centre)))
    assert sorted(axis for axis, *_ in visible) == [0, 1, 2], "three faces meet in the nearest corner"
    corner = np.linalg.solve(np.array([v[2] for v in visible]), np.array([v[3] for v in visible]))
    expected = [plane for _, plane, *_ in sorted(visible)]
    assert np.linalg.norm(corner - expected) < 1e-3


def test_depth_edges_mark_both_sides_of_a_jump_and_nothing_else() -> None:
    depth = np.full((5, 6), 2.0, dtype=np.float32)
    depth[:, 3:] = 2.5
    depth[0, 0] = np.nan
    depth[4, 5] = 0.0
    expected = np.zeros((5, 6), dtype=bool)
    expected[:, 2:4] = True
    np.testing.assert_array_equal(depth_edges(depth, 0.05), expected)
    np.testing.assert_array_equal(depth_edges(depth.T, 0.05), expected.T)
    assert not depth_edges(depth, 0.3).any()
    with pytest.raises(ValueError, match="relative_jump is 0"):
        depth_edges(depth, 0.0)
    np.testing.assert_array_equal(without_edges(depth, 0.05), np.where(expected, np.nan, depth))
    assert without_edges(depth, 0.0) is depth


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ((640, 480), (240, 320)),
        ((1920, 1080), (208, 368)),
        ((1080, 1920), (368, 208)),
        ((3, 2), (224, 336)),
        ((2000, 20), (24, 2400)),
    ],
)
def test_network_size_keeps_the_aspect(image: tuple[int, int], expected: tuple[int, int]) -> None:
    assert fit_network_size(*image, 320, 240) == expected


@given(width=st.integers(1, 5000), height=st.integers(1, 5000), multiple=st.sampled_from([1, 8, 32]))
def test_network_size_is_always_usable(width: int, height: int, multiple: int) -> None:
    size = fit_network_size(width, height, 320, 240, multiple)
    assert min(size) >= 16
    assert all(side % multiple == 0 for side in size)


def test_network_size_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        fit_network_size(0, 480, 320, 240)
