"""The field estimator on errors that are known exactly."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest
from slanted_wall import CAMERA, LATTICE, error, points, scene, small_sensor, smooth_error

from cinet_core.anchors import (
    AnchorGap,
    FieldEstimator,
    FieldSettings,
    measure_cloud,
    measure_depth_image,
    nothing,
)
from cinet_core.anchors.kalman import Observation, completed, observed


def test_without_anchors_depth_is_the_prediction_itself() -> None:
    truth = scene()
    result = FieldEstimator().update(truth, CAMERA)
    np.testing.assert_array_equal(result.depth, truth)
    assert result.report.level == "raw"
    assert result.report.scale == 1.0
    assert result.report.reason == "no anchor has been given"
    assert np.isinf(result.report.age)


@pytest.mark.parametrize("detail", [0.0, 0.3])
def test_a_smooth_error_is_taken_out(detail: float) -> None:
    truth = scene()
    predicted = truth * np.exp(0.3 + smooth_error())
    estimator = FieldEstimator(FieldSettings(detail_sigma=detail))
    result = estimator.update(predicted, CAMERA, [small_sensor(truth)])
    assert error(result, truth) < 0.015
    assert result.report.level == "field"
    assert result.report.sources == ("depth",)
    assert result.report.scale == pytest.approx(np.exp(-0.3), rel=0.03)
    assert result.report.anchored > 0.9
    assert result.report.age == 0.0
    assert np.median(result.uncertainty) < 0.5 * np.median(FieldEstimator().update(predicted, CAMERA).uncertainty)


def test_a_shape_without_metres_leaves_the_factor() -> None:
    """Points whose metres are wrong by 1.7 correct the shape, and do not move the factor, however often they come."""
    truth = scene()
    predicted = truth * np.exp(smooth_error())
    found = small_sensor(truth * np.float32(1.7))
    shape = dataclasses.replace(found, source="motion", metric=False, exact=False, modes=np.full((len(found), 1), 5.0))
    estimator = FieldEstimator()
    for _ in range(20):
        result = estimator.update(predicted, CAMERA, [shape], motion=np.eye(4))
    ratio = np.log(result.depth / truth)
    assert ratio.std() < 0.25 * np.log(predicted / truth).std()
    assert abs(np.median(ratio)) < 0.03


def test_a_few_points_give_one_factor() -> None:
    truth = scene()
    cloud = np.array([[0.0, 0.0, 1.0]]) * truth[60, 80]
    measurement = measure_cloud(cloud, CAMERA, relative_sigma=0.01)
    settings = FieldSettings(prior=dataclasses.replace(FieldSettings().prior, field=0.03))
    result = FieldEstimator(settings).update(truth * np.float32(1.5), CAMERA, [measurement])
    assert result.report.level == "factor"
    assert error(result, truth) < 0.06


def test_detail_does_not_spill_over_an_edge() -> None:
    """A near box is predicted 20 % too far, the wall behind it right: the wall beside the box stays."""
    truth = np.full((120, 160), 3.0, np.float32)
    truth[30:90, 50:110] = 1.0
    predicted = truth.copy()
    predicted[truth < 2] *= 1.2
    result = FieldEstimator().update(predicted, CAMERA, [small_sensor(truth)])
    beside = np.zeros(truth.shape, bool)
    beside[35:85, 112:116] = True
    assert np.abs(result.depth[beside] / 3.0 - 1).mean() < 0.06
    assert np.abs(result.depth[truth < 2] - 1).mean() < 0.05


def test_the_correction_is_carried_by_the_motion() -> None:
    """After the anchor is gone, the wall's own errors move with it over the image."""
    estimator = FieldEstimator()
    steps = np.arange(12) * 0.05

    def predicted(shift: float) -> np.ndarray:
        place = (np.arange(160) - CAMERA.cx) / CAMERA.fx * scene(shift)[0] + shift  # x on the wall
        return scene(shift) * np.exp(0.15 * np.sin(2 * place)).astype(np.float32)[None]

    estimator.update(predicted(0.0), CAMERA, [small_sensor(scene())])
    motion = np.eye(4)
    motion[0, 3] = -0.05
    for shift in steps[1:]:
        result = estimator.update(predicted(shift), CAMERA, motion=motion)
    raw = float(np.abs(predicted(steps[-1]) / scene(steps[-1]) - 1).mean())
    assert result.report.carried > 0.8
    assert result.report.sources == ()
    assert error(result, scene(steps[-1])) < 0.4 * raw


def test_flicker_of_the_network_is_not_followed() -> None:
    """With motion known the scale of a still scene stays, whatever the network makes of it."""
    estimator = FieldEstimator(FieldSettings(detail_sigma=0.0))
    truth, rng = scene(), np.random.default_rng(0)
    estimator.update(truth, CAMERA, [small_sensor(truth)])
    for _ in range(10):
        flicker = np.float32(np.exp(rng.normal(0, 0.04)))
        result = estimator.update(truth * flicker, CAMERA, motion=np.eye(4))
        assert error(result, truth) < 0.015


def test_a_network_that_changes_its_mind_makes_the_factor_less_certain() -> None:
    truth, sigmas = scene(), []
    for amplitude in (0.0, 0.08):
        estimator = FieldEstimator()
        estimator.update(truth, CAMERA, [small_sensor(truth)])
        for step in range(20):
            changed = truth * np.float32(np.exp(amplitude * (step % 2)))
            result = estimator.update(changed, CAMERA, motion=np.eye(4))
        sigmas.append(result.report.sigma)
    steady, fickle = sigmas
    assert 0 < steady < 0.1 < fickle


def test_what_is_not_renewed_decays_to_the_prediction() -> None:
    estimator = FieldEstimator()
    truth = scene()
    estimator.update(truth * np.float32(1.4), CAMERA, [small_sensor(truth)])
    for _ in range(40):
        result = estimator.update(truth * np.float32(1.4), CAMERA, seconds=20.0)
    assert result.report.scale == pytest.approx(1.0, abs=1e-3)
    assert result.report.level == "raw"
    assert result.report.reason == "the last anchor is long ago"
    assert result.report.age == pytest.approx(800.0)


def test_a_jump_is_held_back_and_believed_when_it_lasts() -> None:
    estimator = FieldEstimator()
    truth = scene()
    for _ in range(5):
        estimator.update(truth, CAMERA, [small_sensor(truth)], motion=np.eye(4))
    jumped = small_sensor(truth * np.float32(1.6))
    result = estimator.update(truth, CAMERA, [jumped], motion=np.eye(4), seconds=0.1)
    assert error(result, truth) < 0.01
    assert "held back" in (result.report.reason or "")
    for _ in range(25):
        result = estimator.update(truth, CAMERA, [jumped], motion=np.eye(4), seconds=0.1)
    assert error(result, truth * np.float32(1.6)) < 0.03


def test_a_motion_that_the_prediction_contradicts_is_not_believed() -> None:
    estimator = FieldEstimator()
    truth = scene()
    estimator.update(truth, CAMERA, [small_sensor(truth)])
    slipped = np.eye(4)
    slipped[2, 3] = -1.0  # the wheels say a metre forward
    result = estimator.update(truth, CAMERA, motion=slipped)
    assert "motion" in (result.report.reason or "")
    assert error(result, truth) < 0.02


def test_a_network_that_jumps_is_put_right_by_the_next_measurement() -> None:
    """The motion is not believed then, nor what was known of the factor: a sensor is not held back for it."""
    estimator = FieldEstimator()
    truth = scene()
    for _ in range(5):
        estimator.update(truth, CAMERA, [small_sensor(truth)], motion=np.eye(4))
    result = estimator.update(truth * np.float32(1.4), CAMERA, [small_sensor(truth)], motion=np.eye(4))
    assert "does not explain" in (result.report.reason or "")
    assert result.report.sources == ("depth",)
    assert error(result, truth) < 0.03


def test_points_on_people_do_not_count() -> None:
    truth = scene()
    wrong = truth.copy()
    wrong[:, 80:] *= 0.5
    excluded = np.zeros((12, 16), bool)
    excluded[:, 7:] = True
    result = FieldEstimator(FieldSettings(detail_sigma=0)).update(
        truth, CAMERA, [small_sensor(wrong)], excluded=excluded
    )
    assert np.abs(result.depth[:, :60] / truth[:, :60] - 1).mean() < 0.01


def test_an_anchor_without_points_gives_its_reason() -> None:
    result = FieldEstimator().update(scene(), CAMERA, [nothing("odometry", AnchorGap.NO_MOTION, (160, 120))])
    assert result.report.level == "raw"
    assert result.report.reason == f"odometry: {AnchorGap.NO_MOTION.value}"


def test_invalid_pixels_stay_invalid() -> None:
    truth = scene()
    predicted = truth.copy()
    predicted[40:70, 30:90] = np.nan
    result = FieldEstimator().update(predicted, CAMERA, [small_sensor(truth)])
    np.testing.assert_array_equal(np.isnan(result.depth), np.isnan(predicted))
    assert np.isfinite(result.uncertainty).all()


@pytest.mark.parametrize("seed", range(25))
def test_nothing_that_arrives_breaks_it(seed: int) -> None:
    """Depth, motion and time of any kind: what comes out is finite where the prediction is, and never far from it."""
    rng = np.random.default_rng(seed)
    estimator = FieldEstimator()
    truth = scene()
    for _ in range(4):
        predicted = truth * np.exp(rng.normal(0, 1) * smooth_error())
        if rng.random() < 0.4:
            predicted[rng.random(truth.shape) < rng.random()] = rng.choice([np.nan, np.inf, 0.0, -1.0, 1e30, 1e-30])
        motion = None if rng.random() < 0.3 else np.eye(4) + rng.normal(0, 10.0 ** rng.uniform(-4, 3), (4, 4))
        if motion is not None and rng.random() < 0.2:
            motion[0, 0] = np.nan
        scale = np.float32(10.0 ** rng.uniform(-3, 2))
        found = [measure_depth_image(points(truth * scale), LATTICE, CAMERA)] * int(rng.integers(0, 3))
        seconds = float(rng.choice([0.0, -1.0, 1e-9, 0.1, 1e9, np.nan, np.inf]))
        excluded = rng.random((9, 7)) < 0.3 if rng.random() < 0.5 else None
        result = estimator.update(predicted, CAMERA, found, motion, excluded, seconds=seconds)
        valid = np.isfinite(predicted) & (predicted > 0) & (predicted < 1e20)
        assert np.isfinite(result.depth[valid]).all()
        assert (np.abs(np.log(result.depth[valid] / predicted[valid])) < 2.5).all()
        assert np.isfinite(result.report.sigma)


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="resized"):
        FieldEstimator().update(np.ones((5, 5), np.float32), CAMERA)
    with pytest.raises(ValueError, match="motion"):
        FieldEstimator().update(scene(), CAMERA, motion=np.eye(3))


def test_the_filter_is_bayes_rule() -> None:
    """Against the textbook's formula with the full covariance of the observations."""
    rng = np.random.default_rng(0)
    root = rng.normal(size=(6, 6))
    covariance, mean = root @ root.T + np.eye(6), rng.normal(size=6)
    columns = np.stack([rng.permutation(6)[:3] for _ in range(9)])
    weights, values, modes = rng.normal(size=(9, 3)), rng.normal(size=9), rng.normal(size=(9, 2))
    variance = rng.uniform(0.5, 2, 9)
    found_mean, found = observed(mean, covariance, Observation(columns, weights, values, variance, modes))
    matrix = np.zeros((9, 6))
    np.put_along_axis(matrix, columns, weights, axis=1)
    noise = np.diag(variance) + modes @ modes.T
    gain = covariance @ matrix.T @ np.linalg.inv(matrix @ covariance @ matrix.T + noise)
    np.testing.assert_allclose(found_mean, mean + gain @ (values - matrix @ mean), rtol=1e-9)
    np.testing.assert_allclose(found, covariance - gain @ matrix @ covariance, rtol=1e-7, atol=1e-12)


def test_nodes_that_come_into_view_have_the_process_s_distribution() -> None:
    """Completing the prior itself gives the prior: nothing is counted twice."""
    rng = np.random.default_rng(1)
    place = rng.random(8)
    prior = np.exp(-np.abs(place[:, None] - place[None]))
    whole = np.zeros((10, 10))
    whole[:8, :8] = prior
    whole[8:, 8:] = np.diag([2.0, 3.0])
    seen = np.array([True, False, True, True, False, True, False, True])
    mean, covariance = completed(np.zeros(10), whole, seen, prior)
    np.testing.assert_allclose(covariance, whole, atol=1e-12)
    np.testing.assert_allclose(mean, 0.0)


def test_it_does_not_depend_on_the_size_of_the_depth_image() -> None:
    truth = scene()
    predicted = truth * np.exp(smooth_error())
    large = cv2.resize(predicted, (320, 240), interpolation=cv2.INTER_LINEAR)
    settings = FieldSettings(detail_sigma=0)
    one = FieldEstimator(settings).update(predicted, CAMERA, [small_sensor(truth)])
    two = FieldEstimator(settings).update(large, CAMERA.resized(320, 240), [small_sensor(truth)])
    assert np.abs(np.log(two.depth[::2, ::2] / one.depth)).mean() < 0.01
