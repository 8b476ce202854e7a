"""Landmarks: what windows found is remembered, whatever the network says; errors that points share are averaged."""

from __future__ import annotations

import numpy as np
import pytest

from cinet_core.anchors import AnchorMeasurement
from cinet_core.anchors.landmarks import LandmarkMap
from cinet_core.anchors.shared_errors import compressed, fused
from cinet_core.geometry import Intrinsics

CAMERA = Intrinsics(260.0, 260.0, 159.5, 119.5, 320, 240)
COUNT = 300


class Walk:
    """A camera that sways by 30 cm before 300 points, and windows whose depths are wrong as a whole, anew each second.

    Args:
        shared: standard deviation of ln depth that all points of a window are off by.
        own: of each point beside it.
        seed: of the points and all errors.
    """

    def __init__(self, shared: float = 0.07, own: float = 0.05, seed: int = 0) -> None:
        self.random = np.random.default_rng(seed)
        ray = self.random.uniform(-0.55, 0.55, (COUNT, 2)) * [1.0, 0.75]
        depth = self.random.uniform(1.0, 3.0, COUNT)
        self.world = np.column_stack([ray, np.ones(COUNT)]) * depth[:, None]
        self.shared, self.own, self.numbers = shared, own, np.arange(COUNT)
        self.map, self.off, self.frame = LandmarkMap(), 0.0, 0
        self.slipped = 0.0

    def pose(self) -> np.ndarray:
        """Where the camera is said to be: wheels that slipped have added to z."""
        pose = np.eye(4)
        pose[:3, 3] = 0.3 * np.sin(0.1 * self.frame), 0.1 * np.sin(0.07 * self.frame), self.slipped
        return pose

    def view(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Numbers, pixels and true depths of the points in view."""
        points = self.world - [*self.pose()[:2, 3], 0.0]
        pixels = points[:, :2] / points[:, 2:] * (CAMERA.fx, CAMERA.fy) + (CAMERA.cx, CAMERA.cy)
        inside = ((pixels > 1) & (pixels < (CAMERA.width - 2, CAMERA.height - 2))).all(axis=1)
        return self.numbers[inside], pixels[inside], points[inside, 2]

    def step(self, window: bool = True) -> AnchorMeasurement | None:
        """One image, with a window or without."""
        numbers, pixels, depth = self.view()
        order = np.argsort(numbers)
        numbers, pixels, depth = numbers[order], pixels[order], depth[order]
        self.map.move(self.pose(), self.frame / 15, numbers, pixels, CAMERA)
        if self.frame % 5 == 0:
            self.off = self.random.normal(0.0, self.shared)
        if window:
            inverse = (1.0 + self.random.normal(0.0, self.own, len(depth))) * np.exp(-self.off) / depth
            measured = AnchorMeasurement(
                "odometry", (CAMERA.width, CAMERA.height), pixels, 1.0 / inverse,
                (self.own / (inverse * depth)) ** 2, np.full((len(depth), 1), self.shared), memory=1 / 15,
                shared_memory=1 / 3,
            )  # fmt: skip
            self.map.learn(measured, numbers, (pixels - (CAMERA.cx, CAMERA.cy)) / (CAMERA.fx, CAMERA.fy))
        self.frame += 1
        return self.map.told(numbers, pixels, CAMERA)

    def error(self, told: AnchorMeasurement) -> np.ndarray:
        """ln of told by true depth, of points next to which a true one is."""
        self.frame -= 1
        _, pixels, depth = self.view()
        self.frame += 1
        distance = np.linalg.norm(told.pixels[:, None] - pixels[None], axis=-1)
        nearest = distance.argmin(axis=1)
        return np.log(told.depth / depth[nearest])[distance.min(axis=1) < 2.0]


def test_a_few_shared_errors_are_a_full_covariance() -> None:
    """The same estimate and covariance as a Kalman filter with all of it."""
    rng = np.random.default_rng(0)
    variance, modes = rng.uniform(0.01, 0.02, 40), rng.normal(0.0, 0.1, (40, 3))
    places, noise, own = np.arange(5, 30), rng.uniform(0.01, 0.03, 25), rng.normal(0.0, 0.1, (25, 2))
    values = rng.normal(0.0, 0.05, 25)
    found = fused(variance, modes, places, values, noise, own, 1.0)
    full = np.diag(variance) + modes @ modes.T
    innovation = full[np.ix_(places, places)] + np.diag(noise) + own @ own.T
    gain = np.linalg.solve(innovation, full[places]).T
    np.testing.assert_allclose(found.shift, gain @ values, atol=1e-9)
    np.testing.assert_allclose(
        np.diag(found.variance) + found.modes @ found.modes.T, full - gain @ full[places], atol=1e-9
    )


def test_fewer_modes_leave_each_values_variance() -> None:
    rng = np.random.default_rng(0)
    variance, modes = rng.uniform(0.01, 0.02, 50), np.column_stack([np.full(50, 0.3), rng.normal(0.0, 0.02, (50, 5))])
    own, kept = compressed(variance, modes, 2)
    assert kept.shape == (50, 2)
    np.testing.assert_allclose(own + (kept**2).sum(axis=1), variance + (modes**2).sum(axis=1))
    np.testing.assert_allclose(np.abs(kept @ kept.T).mean(), 0.09, rtol=0.05)
    same, wider = compressed(variance, modes, 8)
    np.testing.assert_array_equal(same, variance)
    assert wider.shape == (50, 8)


@pytest.mark.parametrize("seed", range(3))
def test_what_windows_have_in_common_is_averaged(seed: int) -> None:
    """Windows are off by 7 % as a whole; after ten seconds the landmarks are not, and say how far they may be."""
    walk = Walk(seed=seed)
    for _ in range(150):
        told = walk.step()
    assert told is not None
    error = walk.error(told)
    shared = float(np.linalg.norm(told.modes.mean(axis=0)))
    assert abs(np.median(error)) < 0.03
    assert shared < 0.03
    assert abs(np.median(error)) < 3.0 * shared
    assert np.std(error) < 0.03


def test_points_are_told_at_a_standstill() -> None:
    walk = Walk()
    for _ in range(60):
        walk.step()
    told = walk.step(window=False)
    assert told is not None
    assert len(told) > 200
    assert np.abs(np.median(walk.error(told))) < 0.05


def test_a_jump_of_the_pose_is_seen_by_where_tracks_are() -> None:
    """An eighth of a turn, and half a metre towards the points while the image stays: neither was a motion."""
    for turn, way in ((0.8, 0.0), (0.0, 0.5)):
        walk = Walk()
        for _ in range(30):
            walk.step()
        numbers, pixels, _ = walk.view()
        pose = walk.pose()
        pose[:3, :3] = [[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]]
        pose[2, 3] += way
        walk.map.move(pose, walk.frame / 15, numbers, pixels, CAMERA)
        assert len(walk.map) == 0
        assert walk.map.told(numbers, pixels, CAMERA) is None


def test_ways_that_are_not_believed_leave_the_factor_open() -> None:
    walk = Walk()
    for _ in range(60):
        walk.step()
    numbers, pixels, _ = walk.view()
    before = walk.map.told(numbers, pixels, CAMERA)
    for _ in range(10):
        walk.slipped += 0.02
        walk.map.move(walk.pose(), walk.frame / 15, numbers, pixels, CAMERA, believed=False)
    after = walk.map.told(numbers, pixels, CAMERA)
    assert before is not None
    assert after is not None
    narrow, wide = (float(np.linalg.norm(one.modes.mean(axis=0))) for one in (before, after))
    assert narrow < 0.04
    assert wide > 0.08


def test_windows_that_contradict_for_long_are_believed() -> None:
    """Wheels slipped by 40 cm, 2 cm an image, and nobody noticed: two seconds later depth is right again."""
    walk = Walk(shared=0.04)
    for _ in range(60):
        walk.step()
    for _ in range(20):
        walk.slipped += 0.02
        told = walk.step(window=False)
    assert told is not None
    assert np.median(walk.error(told)) < -0.1
    for _ in range(30):
        told = walk.step()
    assert told is not None
    assert abs(np.median(walk.error(told))) < 0.05


def test_the_factor_is_handed_on_from_tracks_that_end() -> None:
    """Half of the tracks change every second; after ten seconds none is left, and depth is as right as before."""
    walk = Walk()
    for second in range(10):
        for _ in range(15):
            told = walk.step()
        walk.numbers = walk.numbers.copy()
        walk.numbers[second % 2 :: 2] += 1000
    assert told is not None
    assert abs(np.median(walk.error(told))) < 0.04
    assert float(np.linalg.norm(told.modes.mean(axis=0))) < 0.04
    walk.numbers = walk.numbers + 5000
    walk.step(window=False)
    assert len(walk.map) == 0
