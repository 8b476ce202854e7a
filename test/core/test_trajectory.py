"""Errors of trajectories against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cinet_core.evaluation.trajectory import absolute_error, align, drift, path_length, relative_error, umeyama

Array = np.ndarray


def rotation(axis: Array, degrees: float) -> Array:
    """Rodrigues' formula."""
    x, y, z = axis / np.linalg.norm(axis)
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    angle = math.radians(degrees)
    return np.eye(3) + math.sin(angle) * cross + (1.0 - math.cos(angle)) * cross @ cross


def pose(turn: Array, position: Array | list[float]) -> Array:
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = turn, position
    return matrix


def line(step: float, yaw: float = 0.0, count: int = 31) -> Array:
    """A camera that moves ahead by ``step`` metres and turns by ``yaw`` degrees with every frame."""
    motion = pose(rotation(np.array([0.0, 1.0, 0.0]), yaw), [0.0, 0.0, step])
    poses = [np.eye(4)]
    for _ in range(count - 1):
        poses.append(poses[-1] @ motion)
    return np.stack(poses)


def walk(seed: int = 0, count: int = 40) -> Array:
    generator = np.random.default_rng(seed)
    turns = [rotation(generator.normal(size=3), generator.uniform(0, 180)) for _ in range(count)]
    return np.stack([pose(turn, generator.normal(size=3)) for turn in turns])


WORLD = pose(rotation(np.array([1.0, 2.0, -1.0]), 70.0), [3.0, -4.0, 5.0])


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), scale=st.floats(0.1, 10.0), degrees=st.floats(-180.0, 180.0))
def test_umeyama_recovers_a_similarity(seed: int, scale: float, degrees: float) -> None:
    generator = np.random.default_rng(seed)
    source, turn, shift = generator.normal(size=(12, 3)), rotation(generator.normal(size=3), degrees), np.arange(3.0)
    found = umeyama(source, scale * source @ turn.T + shift, with_scale=True)
    assert found.scale == pytest.approx(scale, rel=1e-9)
    assert found.rotation == pytest.approx(turn, abs=1e-9)
    assert found.translation == pytest.approx(shift, abs=1e-8)
    assert found.apply(source) == pytest.approx(scale * source @ turn.T + shift, abs=1e-8)


def test_umeyama_never_mirrors() -> None:
    source = np.random.default_rng(1).normal(size=(20, 3))
    found = umeyama(source, source * [1.0, 1.0, -1.0], with_scale=True)
    assert np.linalg.det(found.rotation) == pytest.approx(1.0)


def test_umeyama_on_points_in_a_plane() -> None:
    source = np.random.default_rng(2).normal(size=(20, 3)) * [1.0, 1.0, 0.0]
    turn = rotation(np.array([0.3, -1.0, 0.2]), 120.0)
    found = umeyama(source, source @ turn.T, with_scale=False)
    assert found.rotation == pytest.approx(turn)


def test_umeyama_refuses() -> None:
    with pytest.raises(ValueError, match="at least 3"):
        umeyama(np.zeros((2, 3)), np.zeros((2, 3)), with_scale=False)
    with pytest.raises(ValueError, match="no scale follows"):
        umeyama(np.ones((5, 3)), np.zeros((5, 3)), with_scale=True)
    with pytest.raises(ValueError, match=r"both must be \(N, 3\)"):
        umeyama(np.zeros((5, 3)), np.zeros((4, 3)), with_scale=False)


def test_absolute_error_forgives_the_world_and_with_sim3_the_scale() -> None:
    truth = walk()
    estimate = WORLD @ truth
    assert absolute_error(estimate, truth, with_scale=False).rmse == pytest.approx(0.0, abs=1e-12)
    estimate[:, :3, 3] *= 1.25
    forgiven = absolute_error(estimate, truth, with_scale=True)
    assert forgiven.rmse == pytest.approx(0.0, abs=1e-12)
    assert forgiven.scale == pytest.approx(0.8)
    centred = truth[:, :3, 3] - truth[:, :3, 3].mean(axis=0)
    counted = absolute_error(estimate, truth, with_scale=False)
    distance = 0.25 * np.linalg.norm(centred, axis=1)
    assert counted.rmse == pytest.approx(math.sqrt((distance**2).mean()))
    assert counted.mean == pytest.approx(distance.mean())
    assert counted.median == pytest.approx(np.median(distance))
    assert counted.maximum == pytest.approx(distance.max())
    assert (counted.scale, counted.frames) == (1.0, 40)


def test_scale_is_what_the_estimate_is_multiplied_by() -> None:
    truth = walk()
    estimate = truth.copy()
    estimate[:, :3, 3] *= 2.0
    assert align(estimate, truth, with_scale=True).scale == pytest.approx(0.5)


def test_unknown_poses_are_left_out() -> None:
    truth = walk()
    estimate = WORLD @ truth
    estimate[5, :3, 3] += 100.0
    truth[5] = np.nan
    found = absolute_error(estimate, truth, with_scale=False)
    assert found.rmse == pytest.approx(0.0, abs=1e-12)
    assert found.frames == 39
    assert relative_error(estimate, truth, 1).pairs == 37
    assert relative_error(estimate, truth, 1).translation == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("step", [1, 7])
def test_relative_error_of_a_camera_that_goes_too_far(step: int) -> None:
    found = relative_error(WORLD @ line(0.11), line(0.10), step)
    assert found.translation == pytest.approx(0.01 * step)
    assert found.rotation == pytest.approx(0.0, abs=1e-6)
    assert (found.step, found.pairs) == (step, 31 - step)


@pytest.mark.parametrize("yaw", [1e-5, 2.0, 30.0])
def test_relative_error_of_a_camera_that_turns_too_much(yaw: float) -> None:
    found = relative_error(line(0.0, yaw), line(0.0), 4)
    assert found.rotation == pytest.approx(4 * yaw, rel=1e-6)
    assert found.translation == pytest.approx(0.0, abs=1e-12)


def test_relative_error_over_more_frames_than_there_are() -> None:
    found = relative_error(line(0.1), line(0.1), 31)
    assert found.pairs == 0
    assert math.isnan(found.translation)
    with pytest.raises(ValueError, match="at least 1"):
        relative_error(line(0.1), line(0.1), 0)


def test_drift_is_error_per_metre() -> None:
    found = drift(WORLD @ line(0.105), line(0.1), 1.0)
    assert found.translation == pytest.approx(0.05)
    assert found.stretches > 15
    turned = drift(line(0.1, 0.2), line(0.1), 1.0)
    assert turned.rotation == pytest.approx(2.0)  # ten frames a metre


def test_drift_of_a_path_that_is_too_short_is_unknown() -> None:
    found = drift(line(0.1), line(0.1), 5.0)
    assert found.stretches == 0
    assert math.isnan(found.translation)
    with pytest.raises(ValueError, match="above 0"):
        drift(line(0.1), line(0.1), 0.0)


def test_path_length() -> None:
    poses = line(0.1)
    assert path_length(poses) == pytest.approx(3.0)
    poses[3] = np.nan
    assert path_length(poses) == pytest.approx(3.0)
    assert path_length(poses[:1]) == 0.0


def test_trajectories_must_be_of_the_same_frames() -> None:
    with pytest.raises(ValueError, match=r"both must be \(N, 4, 4\)"):
        absolute_error(line(0.1), line(0.1)[:-1], with_scale=False)
