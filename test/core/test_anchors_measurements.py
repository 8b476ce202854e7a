"""Anchors on exact scenes: what is measured is the truth, and what cannot be measured is left out with its reason."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cinet_core.anchors import (
    AnchorGap,
    AnchorMeasurement,
    measure_cloud,
    measure_depth_image,
    measure_floor,
    measure_scan,
    movers_mask,
    movers_table,
    nothing,
)
from cinet_core.geometry import Intrinsics, unproject
from cinet_core.label_sets import NYU40

CAMERA = Intrinsics.from_fov(320, 240, 62)
UP = np.array([0.0, -math.cos(0.2), -math.sin(0.2)])
"""Away from the floor, of a camera that looks down by 0.2 radians."""


def floor_depth(height: float) -> np.ndarray:
    """(H, W) depth of an endless floor; infinite at and above the horizon."""
    rays = unproject(np.ones((240, 320), np.float32), CAMERA)
    below = -(rays @ UP)
    return np.where(below > 1e-3, height / np.maximum(below, 1e-3), np.inf)


def at(depth: np.ndarray, measurement: AnchorMeasurement) -> np.ndarray:
    """The depth image at the points of a measurement."""
    column, row = np.rint(measurement.pixels).astype(int).T
    return depth[row, column]


def test_a_depth_image_of_the_same_camera_is_measured_as_it_is() -> None:
    small = CAMERA.resized(32, 24)
    depth = np.linspace(1, 3, 24 * 32).reshape(24, 32)
    depth[:, :8] = 0.0
    depth[3, 9], depth[4, 9] = np.nan, np.inf
    found = measure_depth_image(depth, small, CAMERA, sigma=0.0)
    assert len(found) == 24 * 24 - 2
    assert found.gap is None
    kept = depth[(depth > 0) & np.isfinite(depth)]
    np.testing.assert_allclose(np.sort(found.depth), np.sort(kept))
    np.testing.assert_allclose(found.variance, 0.03**2)
    row, column = 20, 30
    place = (found.pixels == [column * 10.0, row * 10.0]).all(axis=1)
    assert found.depth[place] == pytest.approx(depth[row, column])


def test_a_camera_beside_it_does_not_see_past_an_edge() -> None:
    """A box before a wall: another camera, 0.3 m to the left, sees wall that the box hides from this one."""
    depth = np.full((240, 320), 4.0)
    depth[80:160, 120:200] = 1.0
    transform = np.eye(4)
    transform[0, 3] = 0.3
    found = measure_depth_image(depth, CAMERA, CAMERA, transform)
    # In this camera the box lies 0.3 m to the right of where the other one has it: by f * 0.3 / 1 m.
    shift = CAMERA.fx * 0.3
    box = (found.pixels > (120 + shift + 6, 86)).all(axis=1) & (found.pixels < (200 + shift - 6, 154)).all(axis=1)
    assert box.sum() > 20
    np.testing.assert_allclose(found.depth[box], 1.0, rtol=1e-6)


def test_a_scan_lands_where_the_scanner_looks() -> None:
    """A wall 2.5 m ahead of a scanner that is 0.2 m below the camera and looks ahead as it does."""
    angles = np.linspace(-1.2, 1.2, 241)
    ranges = 2.5 / np.cos(angles)
    ranges[:5] = np.inf
    to_optical = np.array([[0, -1, 0, 0], [0, 0, -1, 0.2], [1, 0, 0, 0], [0, 0, 0, 1.0]])
    found = measure_scan(ranges, -1.2, 0.01, to_optical, CAMERA, 0.05, 30.0)
    assert len(found) > 80
    np.testing.assert_allclose(found.depth, 2.5, rtol=1e-9)
    np.testing.assert_allclose(found.pixels[:, 1], CAMERA.cy + CAMERA.fy * 0.2 / 2.5)


def test_a_scan_that_looks_elsewhere_is_not_in_view() -> None:
    behind = np.array([[0, 1, 0, 0], [0, 0, -1, 0.2], [-1, 0, 0, 0], [0, 0, 0, 1.0]])
    found = measure_scan(np.full(50, 2.0), -0.25, 0.01, behind, CAMERA)
    assert len(found) == 0
    assert found.gap is AnchorGap.NOT_IN_VIEW


def test_the_floor_is_at_its_depth_whatever_the_prediction_s_factor() -> None:
    truth = floor_depth(0.4)
    floor = truth < 6.0
    found = measure_floor(floor, np.where(floor, truth * 1.7, 3.0), CAMERA, 0.4, UP)
    assert len(found) > 100
    np.testing.assert_allclose(found.depth, at(truth, found), rtol=1e-6)
    assert found.modes.shape[1] == 3
    np.testing.assert_allclose(found.modes[:, 0], 0.01 / 0.4)


def test_the_floor_s_shared_errors_are_those_of_height_and_tilt() -> None:
    truth = floor_depth(0.4)
    found = measure_floor(truth < 6.0, np.minimum(truth, 9.0), CAMERA, 0.4, UP, up_sigma=1e-4)
    turned = UP + 1e-4 * np.cross(UP, [1.0, 0.0, 0.0])  # pitch
    turned /= np.linalg.norm(turned)
    rays = np.column_stack([(found.pixels - (CAMERA.cx, CAMERA.cy)) / (CAMERA.fx, CAMERA.fy), np.ones(len(found))])
    change = np.log((rays @ UP) / (rays @ turned))
    parts, rest, *_ = np.linalg.lstsq(found.modes[:, 1:], change, rcond=None)
    assert np.linalg.norm(parts) == pytest.approx(1.0, rel=1e-2)
    assert rest.sum() < 1e-10


def test_what_is_no_plane_is_no_floor() -> None:
    truth = floor_depth(0.4)
    floor = truth < 6.0
    bumpy = np.where(floor, truth * np.exp(np.random.default_rng(0).normal(0, 0.6, truth.shape)), 3.0)
    assert measure_floor(floor, bumpy, CAMERA, 0.4, UP).gap is AnchorGap.NO_FLOOR
    assert measure_floor(np.zeros_like(floor), bumpy, CAMERA, 0.4, UP).gap is AnchorGap.NO_FLOOR


@pytest.mark.parametrize(
    ("height", "up"), [(np.nan, UP), (-1.0, UP), (1e9, UP), (0.4, np.zeros(3)), (0.4, UP * np.nan), (0.4, UP[:2])]
)
def test_a_floor_without_height_or_up_says_so(height: float, up: np.ndarray) -> None:
    truth = floor_depth(0.4)
    assert measure_floor(truth < 6.0, truth, CAMERA, height, up).gap is AnchorGap.NO_UP


@pytest.mark.parametrize(
    "points",
    [
        np.zeros((0, 3)),
        np.full((9, 3), np.nan),
        np.full((9, 3), np.inf),
        np.full((9, 3), 1e30),
        np.full((9, 3), -2.0),
        np.zeros((4, 4, 3)),
        np.array([[0.0, 0.0, 1e-300], [1e-300, 0.0, 1e-9]]),
    ],
    ids=["empty", "nan", "inf", "huge", "behind", "zeros", "tiny"],
)
def test_a_cloud_of_nonsense_is_no_measurement(points: np.ndarray) -> None:
    found = measure_cloud(points, CAMERA)
    assert len(found) == 0
    assert found.gap in (AnchorGap.NO_VALUES, AnchorGap.NOT_IN_VIEW)


@pytest.mark.parametrize("seed", range(20))
def test_any_cloud_gives_finite_points_within_the_image(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = rng.normal(0, 10.0 ** rng.uniform(-2, 4), (300, 3)).astype(np.float32)
    points[rng.random(300) < 0.2] = rng.choice([np.nan, np.inf, -np.inf, 0.0, 1e38])
    found = measure_cloud(points, CAMERA, np.eye(4))
    assert ((found.pixels >= 0) & (found.pixels <= (319, 239))).all()
    assert (found.depth > 0).all()
    assert (found.gap is None) == (len(found) > 0)


def test_shapes_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(\.\.\., 3\)"):
        measure_cloud(np.zeros((5, 2)), CAMERA)
    with pytest.raises(ValueError, match="transform"):
        measure_cloud(np.ones((5, 3)), CAMERA, np.eye(3))
    with pytest.raises(ValueError, match="resized"):
        measure_depth_image(np.ones((5, 4)), CAMERA, CAMERA)
    with pytest.raises(ValueError, match="ranges"):
        measure_scan(np.ones((5, 4)), 0.0, 0.1, np.eye(4), CAMERA)
    with pytest.raises(ValueError, match="NaN"):
        AnchorMeasurement("scan", (4, 4), np.zeros((1, 2)), np.array([np.nan]), np.ones(1))
    with pytest.raises(ValueError, match="above 0"):
        AnchorMeasurement("scan", (4, 4), np.zeros((1, 2)), np.zeros(1), np.ones(1))
    with pytest.raises(ValueError, match="sonar"):
        nothing("sonar", AnchorGap.NO_VALUES, (4, 4))  # type: ignore[arg-type]


def test_people_are_left_out() -> None:
    table = movers_table(NYU40)
    person = NYU40.classes.index("person")
    labels = np.zeros((24, 32), np.uint8)
    assert movers_mask(labels, table) is None
    labels[5:15, 8:16] = person
    excluded = movers_mask(labels, table)
    assert excluded is not None
    found = measure_depth_image(np.full((24, 32), 2.0), CAMERA.resized(32, 24), CAMERA).without(excluded)
    row, column = (found.pixels.T[::-1] / 10).round().astype(int)
    assert (labels[row, column] != person).all()
    assert 0 < len(found) < 24 * 32 - 80
