"""Points of sensors and of tracks in the field estimator: how much each counts."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from slanted_wall import CAMERA, error, scene, small_sensor, smooth_error

from cinet_core.anchors import AnchorMeasurement, CorrectedDepth, FieldEstimator, FieldSettings, field
from cinet_core.anchors.observing import observation_of


def smooth_variance(found: CorrectedDepth, columns: slice = slice(None)) -> float:
    """Median variance of the smooth correction, without detail's."""
    return float(np.median(found.uncertainty[:, columns] ** 2)) - FieldSettings().prior.detail ** 2


def test_a_sensor_that_is_seldom_heard_counts_in_full() -> None:
    """Errors that last half a second are new in a measurement after one: whatever the camera's rate is in between."""
    truth = scene()
    predicted = truth * np.exp(smooth_error())
    lasting = dataclasses.replace(small_sensor(truth), memory=0.5, exact=False)
    often, seldom = FieldEstimator(), FieldEstimator()
    for step in range(31):
        given = [lasting] if step % 10 == 0 else []
        found = often.update(predicted, CAMERA, given, motion=np.eye(4), seconds=0.1)
        if given:
            few = seldom.update(predicted, CAMERA, given, motion=np.eye(4), seconds=1.0)
    assert found.report.sources == few.report.sources == ("depth",)
    assert smooth_variance(found) == pytest.approx(smooth_variance(few), rel=0.25)


def test_two_sensors_of_one_kind_count_both() -> None:
    truth = scene()
    halves = [small_sensor(truth, part) for part in (slice(0, 16), slice(16, 32))]
    halves = [dataclasses.replace(half, memory=1.0, exact=False) for half in halves]
    estimator = FieldEstimator()
    for _ in range(3):
        found = estimator.update(truth * np.exp(smooth_error()), CAMERA, halves, motion=np.eye(4))
    assert smooth_variance(found, slice(0, 70)) == pytest.approx(smooth_variance(found, slice(90, 160)), rel=0.1)


def test_tracks_of_little_parallax_pull_depth_neither_near_nor_far() -> None:
    """Errors of inverse depth are even; told at the depth that was measured, points that came out near weigh more."""
    truth = scene()
    random = np.random.default_rng(4)
    v, u = (axis.ravel() for axis in np.mgrid[2:120:5, 2:160:5])
    sigma = 0.25  # of inverse depth, as a part of it
    logs = []
    for _ in range(30):
        inverse = (1.0 + sigma * random.normal(size=u.size).clip(-3, 3)) / truth[v, u]
        measurement = AnchorMeasurement(
            "odometry", (160, 120), np.stack([u, v], axis=1).astype(float), 1.0 / inverse,
            (sigma / truth[v, u] / inverse) ** 2, exact=False, triangulated=True,
        )  # fmt: skip
        logs.append(np.log(FieldEstimator().update(truth, CAMERA, [measurement]).depth / truth).mean())
        told_as_measured = dataclasses.replace(measurement, triangulated=False)
        logs.append(np.log(FieldEstimator().update(truth, CAMERA, [told_as_measured]).depth / truth).mean())
    assert abs(np.mean(logs[::2])) < 0.035
    assert abs(np.mean(logs[::2])) < 0.7 * abs(np.mean(logs[1::2]))


def test_tracks_that_slid_do_not_bend_the_field() -> None:
    truth = scene()
    v, u = (axis.ravel() for axis in np.mgrid[2:120:5, 2:160:5])
    depth = truth[v, u].astype(float)
    wrong = u < 40  # a quarter of the image, where a texture repeats itself
    depth[wrong] *= 4.0
    measurement = AnchorMeasurement(
        "odometry", (160, 120), np.stack([u, v], axis=1).astype(float), depth, np.full(len(depth), 0.03**2),
        exact=False, triangulated=True,
    )  # fmt: skip
    result = FieldEstimator().update(truth * np.float32(0.8), CAMERA, [measurement])
    assert error(result, truth) < 0.06


def test_errors_that_last_are_not_new_because_nobody_believed_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """A measurement that was held back is off by the same in the next frame: it is not the first of its kind."""
    asked: list[float] = []

    def observe(*arguments: Any, **named: Any) -> Any:
        asked.append(arguments[4])
        return observation_of(*arguments, **named)

    monkeypatch.setattr(field, "observation_of", observe)
    truth, estimator = scene(), FieldEstimator()
    right, jumped = (
        dataclasses.replace(small_sensor(truth * np.float32(factor)), exact=False)  # no detail, which looks as well
        for factor in (1.0, 1.6)
    )
    for _ in range(3):
        estimator.update(truth, CAMERA, [right], motion=np.eye(4), seconds=0.1)
    for _ in range(4):
        held = estimator.update(truth, CAMERA, [jumped], motion=np.eye(4), seconds=0.1)
        assert "held back" in (held.report.reason or "")
    assert asked == [math.inf, *[pytest.approx(0.1)] * 6]
