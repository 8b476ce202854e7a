"""Tracks, bundle adjustment, and the anchors *odometry* and *motion*, on scenes whose truth is exact."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest

from cinet_core.anchors import AnchorGap, AnchorMeasurement, MotionAnchor, OdometryAnchor
from cinet_core.anchors.bundle import BundleProblem, BundleResult, adjusted, triangulated
from cinet_core.anchors.odometry import OdometrySettings, measured
from cinet_core.anchors.tracks import TrackWindow
from cinet_core.geometry import Intrinsics
from cinet_core.rooms.demo.room import SyntheticFrame, SyntheticRoom

WIDTH, HEIGHT = 320, 240


@pytest.fixture(scope="module")
def room() -> tuple[Intrinsics, list[SyntheticFrame]]:
    """Eighteen views of the furnished room, about 4 cm apart."""
    scene = SyntheticRoom(seed=1, width=WIDTH, height=HEIGHT)
    return scene.intrinsics, [scene.render(index, 200) for index in range(18)]


def truth_at(depth: np.ndarray, measurement: AnchorMeasurement) -> np.ndarray:
    """ln of measured by true depth, at points away from the true depth's edges."""
    column, row = np.rint(measurement.pixels).astype(int).T
    near = cv2.erode(depth, np.ones((5, 5)))[row, column], cv2.dilate(depth, np.ones((5, 5)))[row, column]
    flat = near[1] < 1.05 * near[0]
    return np.log(measurement.depth / depth[row, column])[flat]


def problem(noise: float = 0.0, outliers: float = 0.0, turn: float = 0.0) -> tuple[BundleProblem, np.ndarray]:
    """Points before six cameras, with noisy poses; and ln of their true depths."""
    rng = np.random.default_rng(0)
    rays = rng.uniform(-0.6, 0.6, (200, 2)) * [1, 0.75]
    depth = 1.2 - 0.5 * rays[:, 1] + 0.4 * rng.random(200)
    points = np.column_stack([rays, np.ones(200)]) * depth[:, None]
    motions, seen = [], []
    for number in range(6):
        motion = np.eye(4)
        motion[:3, :3] = cv2.Rodrigues(rng.normal(0, 0.03, 3))[0]
        motion[:3, 3] = np.array([0.02, 0.01, 0.005]) * (number + 1)
        there = points @ motion[:3, :3].T + motion[:3, 3]
        seen.append(there[:, :2] / there[:, 2:] + rng.normal(0, noise, (200, 2)))
        motion[:3, :3] = cv2.Rodrigues(rng.normal(0, turn, 3) if turn else np.zeros(3))[0] @ motion[:3, :3]
        motions.append(motion)
    wrong = rng.random(200) < outliers
    seen_all = np.stack(seen)
    seen_all[:, wrong] += rng.normal(0, 0.02, (6, int(wrong.sum()), 2))
    certainty = np.tile(np.eye(2), (200, 1, 1))
    covariance = np.diag(np.tile([max(turn, 1e-4) ** 2] * 3 + [1e-3**2] * 3, 6))
    start = -np.log(triangulated(rays, seen_all, np.stack(motions), certainty))
    return BundleProblem(rays, seen_all, np.stack(motions), covariance, certainty, 1e-3, start, 1.0), np.log(depth)


def test_exact_tracks_give_exact_depth() -> None:
    given, truth = problem()
    np.testing.assert_allclose(given.log_depth, truth, atol=1e-6)
    result = adjusted(given)
    np.testing.assert_allclose(result.log_depth, truth, atol=1e-3)
    assert np.isfinite(result.variance).all()


def test_wrong_turns_and_outliers_are_taken_out() -> None:
    given, truth = problem(noise=1e-3, outliers=0.2, turn=0.006)
    result = adjusted(given)
    fitting = result.residual < 2.5
    assert 0.7 < fitting.mean() < 0.9
    wrong = np.median(np.abs(given.log_depth - truth)[fitting])
    assert np.median(np.abs(result.log_depth - truth)[fitting]) < max(0.03, 0.5 * wrong)


def test_variances_are_honest() -> None:
    """Errors are as large as is said: of each point, and of all together."""
    given, truth = problem(noise=1e-3, turn=0.002)
    result = adjusted(given)
    error = result.log_depth - truth
    sigma = np.sqrt(result.variance + (result.modes**2).sum(axis=1))
    assert 0.3 < np.sqrt(np.mean((error / sigma) ** 2)) < 2.0


def test_how_far_all_depths_are_off_does_not_follow_from_what_was_expected_of_each() -> None:
    """Ways that may be wrong by half are depths that may be: 200 guesses of depth, each for itself, do not fix them."""
    given, _ = problem(noise=1e-3)
    way = given.motions[:, :3, 3]
    loose = np.diag(np.tile([1e-8] * 3 + [1e-8] * 3, 6)).reshape(6, 6, 6, 6).copy()
    loose[:, 3:, :, 3:] += 0.25 * way[:, :, None, None] * way[None, None]
    result = adjusted(dataclasses.replace(given, motion_covariance=loose.reshape(36, 36)))
    shared = np.sqrt((result.modes**2).sum(axis=1))
    assert np.median(shared) == pytest.approx(0.5, rel=0.1)


def test_points_that_nothing_is_known_of_hide_no_shared_error() -> None:
    """A tenth of the points is seen by nobody: what the others share is told all the same."""
    given, _ = problem(noise=1e-3, turn=0.003)
    seen = given.seen.copy()
    seen[1:, :20] = np.nan
    certainty = given.certainty.copy()
    certainty[:20] *= 1e-4
    result = adjusted(dataclasses.replace(given, seen=seen, certainty=certainty))
    plain = adjusted(given)
    here, there = (np.linalg.norm(one.modes[20:], axis=1) for one in (result, plain))
    assert np.median(here) == pytest.approx(np.median(there), rel=0.2)


def test_errors_of_motions_are_one_factor_and_the_points_own() -> None:
    """A shared error that grows with depth would be told from a network's own: it is not handed on as shared."""
    count = 50
    growing = np.column_stack([np.full(count, 0.05), np.linspace(-0.03, 0.03, count)])
    result = BundleResult(
        np.zeros(count), np.full(count, 1e-4), growing, np.tile(np.eye(4), (2, 1, 1)), np.ones(count), 4.0
    )
    pixels = np.full((count, 2), 50.0)
    found = measured("odometry", pixels, result, OdometrySettings(), (160, 120))
    np.testing.assert_allclose(found.modes, 0.1, rtol=0.02)  # twice 0.05: motions had to change by twice what was said
    np.testing.assert_allclose(found.variance, 1e-4 + growing[:, 1] ** 2, atol=1e-5)


def test_an_error_of_the_current_pose_is_in_all_motions(room: tuple[Intrinsics, list[SyntheticFrame]]) -> None:
    """With a pose of the current image that is off by 3 cm the depth is, however many keyframes there are."""
    camera, frames = room
    settings = OdometrySettings(position_sigma=0.03)
    sigmas = []
    for first in (0, len(frames) - 4):
        anchor = OdometryAnchor(settings)
        for number, frame in enumerate(frames[first:]):
            anchor.track(frame.image, frame.camera_to_world, number / 15)
        found = anchor.measure(camera)
        sigmas.append(float(np.median(found.modes)) if len(found) else np.inf)
    baseline = np.linalg.norm((np.linalg.inv(frames[-1].camera_to_world) @ frames[0].camera_to_world)[:3, 3])
    assert 0.5 * 0.03 / baseline < sigmas[0] < sigmas[1]


def test_points_follow_a_shifted_image() -> None:
    rng = np.random.default_rng(0)
    image = cv2.GaussianBlur(rng.integers(0, 255, (300, 400), dtype=np.uint8), (0, 0), 2)
    image = cv2.normalize(image, None, 0, 255, cv2.NORM_MINMAX)
    window = TrackWindow()
    for step in range(4):
        window.add(image[20 + 3 * step : 220 + 3 * step, 20 + 6 * step : 320 + 6 * step], step / 15)
    pixels, seen, certainty, contexts = window.observations(1)
    assert len(pixels) > 100
    assert contexts == [None] * len(window.keyframes)
    shift = (seen[0] - pixels)[np.isfinite(seen[0, :, 0])]
    np.testing.assert_allclose(np.median(shift, axis=0), [18.0, 9.0], atol=0.05)
    np.testing.assert_allclose(np.linalg.eigvalsh(certainty)[:, 1], 1.0, atol=1e-5)


def test_no_point_is_taken_where_it_is_excluded() -> None:
    image = np.random.default_rng(0).integers(0, 255, (120, 160), dtype=np.uint8)
    excluded = np.zeros((12, 16), bool)
    excluded[:, 8:] = True
    frame = TrackWindow().add(image, 0.0, excluded=excluded)
    assert len(frame.pixels) > 20
    assert (frame.pixels[:, 0] < 82).all()


def test_odometry_measures_the_room(room: tuple[Intrinsics, list[SyntheticFrame]]) -> None:
    camera, frames = room
    anchor = OdometryAnchor()
    for number, frame in enumerate(frames):
        anchor.track(frame.image, frame.camera_to_world, number / 15)
    found = anchor.measure(camera)
    assert found.gap is None
    error = truth_at(frames[-1].depth, found)
    assert len(error) > 40
    assert abs(np.median(error)) < 0.02
    assert np.median(np.abs(error)) < 0.03
    assert found.metric


def test_a_wrong_scale_of_odometry_is_a_wrong_scale_of_depth(
    room: tuple[Intrinsics, list[SyntheticFrame]],
) -> None:
    """It cannot be seen from images: the shared errors say how far it may be off."""
    camera, frames = room
    anchor = OdometryAnchor()
    for number, frame in enumerate(frames):
        pose = frame.camera_to_world.copy()
        pose[:3, 3] *= 1.1
        anchor.track(frame.image, pose, number / 15)
    error = truth_at(frames[-1].depth, anchor.measure(camera))
    assert np.median(error) == pytest.approx(np.log(1.1), abs=0.03)


def test_odometry_says_why_it_has_nothing(room: tuple[Intrinsics, list[SyntheticFrame]]) -> None:
    camera, frames = room
    anchor = OdometryAnchor()
    assert anchor.measure(camera).gap is AnchorGap.STARTING
    anchor.track(frames[0].image, None, 0.0)
    assert anchor.measure(camera).gap is AnchorGap.NO_POSE
    blank = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    for number in range(3):
        anchor.track(blank, np.eye(4), number / 15)
    assert anchor.measure(camera).gap in (AnchorGap.FEW_TRACKS, AnchorGap.STARTING)
    for number in range(6):
        anchor.track(frames[0].image, frames[0].camera_to_world, 1 + number / 15)
    assert anchor.measure(camera).gap is AnchorGap.NO_MOTION
    far = frames[0].camera_to_world.copy()
    far[:3, 3] += 5.0
    anchor.track(frames[1].image, far, 2.0)
    assert anchor.measure(camera).gap is AnchorGap.POSE_JUMP


def test_wheels_that_slip_do_not_explain_the_image(room: tuple[Intrinsics, list[SyntheticFrame]]) -> None:
    """The robot turns on the spot by 4 degrees an image, which the camera does not see."""
    camera, frames = room
    anchor = OdometryAnchor()
    for number, frame in enumerate(frames):
        pose = frame.camera_to_world.copy()
        pose[:3, :3] = pose[:3, :3] @ cv2.Rodrigues(np.array([0.0, 0.07 * number, 0.0]))[0]
        anchor.track(frame.image, pose, number / 15)
    assert anchor.measure(camera).gap is AnchorGap.INCONSISTENT


def test_motion_has_the_shape_that_the_prediction_lacks(room: tuple[Intrinsics, list[SyntheticFrame]]) -> None:
    """Predicted depth is wrong by +-15 % from left to right, and by a factor: the shape is found, the factor kept."""
    camera, frames = room
    tilt = np.exp(np.linspace(-0.15, 0.15, WIDTH, dtype=np.float32))[None]
    anchor = MotionAnchor()
    moved = []
    for number, frame in enumerate(frames):
        anchor.track(frame.image, number / 15)
        found = anchor.measure(frame.depth * tilt * np.float32(1.3), camera)
        if anchor.motion is not None:
            true = np.linalg.inv(frame.camera_to_world) @ frames[number - 1].camera_to_world
            moved.append((anchor.motion, true))
    assert found.gap is None
    assert not found.metric
    error = truth_at(frames[-1].depth, found)
    assert len(error) > 40
    assert np.median(error) == pytest.approx(np.log(1.3), abs=0.1)
    column = np.rint(found.pixels[:, 0]).astype(int)
    predicted = np.std(np.log(tilt[0, column]))
    assert np.median(np.abs(error - np.median(error))) < 0.6 * predicted
    turn = [np.linalg.norm(cv2.Rodrigues(one[:3, :3] @ true[:3, :3].T)[0]) for one, true in moved[-5:]]
    assert np.median(turn) < 0.005


def test_motion_says_why_it_has_nothing(room: tuple[Intrinsics, list[SyntheticFrame]]) -> None:
    camera, frames = room
    anchor = MotionAnchor()
    assert anchor.measure(frames[0].depth, camera).gap is AnchorGap.STARTING
    for number in range(4):
        anchor.track(frames[0].image, number / 15)
        found = anchor.measure(frames[0].depth, camera)
    assert found.gap is AnchorGap.NO_MOTION
    assert anchor.motion is not None
    np.testing.assert_allclose(anchor.motion, np.eye(4), atol=2e-3)
    anchor.track(np.zeros((HEIGHT, WIDTH), np.uint8), 1.0)
    assert anchor.measure(frames[0].depth, camera).gap in (AnchorGap.FEW_TRACKS, AnchorGap.STARTING)
    assert anchor.motion is None


@pytest.mark.parametrize("seed", range(6))
def test_images_of_noise_break_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    camera = Intrinsics.from_fov(96, 64, 60)
    odometry, motion = OdometryAnchor(), MotionAnchor()
    for number in range(5):
        image = rng.integers(0, 255, (64, 96), dtype=np.uint8)
        pose = np.eye(4) + rng.normal(0, 0.02, (4, 4)) if rng.random() < 0.8 else np.full((4, 4), np.inf)
        depth = rng.uniform(0.1, 5, (32, 48)).astype(np.float32)
        depth[rng.random(depth.shape) < 0.3] = np.nan
        odometry.track(image, pose, number / 15)
        motion.track(image, number / 15)
        for found in (odometry.measure(camera), motion.measure(depth, camera)):
            assert (found.gap is None) == (len(found) > 0)
