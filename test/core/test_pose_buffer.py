"""Poses in time: interpolation held against SciPy where it is there, and every reason why there is none."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinet_core.poses import (
    AddOutcome,
    Pose,
    PoseBuffer,
    PoseGap,
    rotation_angle,
    rotation_matrix,
    slerp,
)

MILLISECOND = 10**6
STILL = (0.0, 0.0, 0.0, 1.0)


def about_z(angle: float) -> tuple[float, float, float, float]:
    return (0.0, 0.0, math.sin(angle / 2), math.cos(angle / 2))


def found(buffer: PoseBuffer, milliseconds: float) -> Pose:
    pose = buffer.at(round(milliseconds * MILLISECOND))
    assert isinstance(pose, Pose), pose
    return pose


@pytest.fixture
def buffer() -> PoseBuffer:
    """Two poses, 100 ms apart: 10 cm along x and 20 degrees about z."""
    made = PoseBuffer(max_gap=0.2, max_length=3, max_speed=2.0, max_turn=math.pi * 2)
    assert made.add(100 * MILLISECOND, (0, 0, 0), STILL) == AddOutcome.ADDED
    assert made.add(200 * MILLISECOND, (0.1, 0, 0), about_z(math.radians(20))) == AddOutcome.ADDED
    return made


def test_between_two_poses(buffer: PoseBuffer) -> None:
    pose = found(buffer, 125)
    np.testing.assert_allclose(pose.position, (0.025, 0, 0), atol=1e-12)
    np.testing.assert_allclose(pose.quaternion, about_z(math.radians(5)), atol=1e-12)
    matrix = pose.matrix()
    np.testing.assert_allclose(matrix[:2, 0], (math.cos(math.radians(5)), math.sin(math.radians(5))), atol=1e-12)
    np.testing.assert_allclose(matrix[:3, 3], pose.position)


def test_at_a_pose_it_is_that_pose(buffer: PoseBuffer) -> None:
    np.testing.assert_allclose(found(buffer, 200).position, (0.1, 0, 0))
    np.testing.assert_allclose(found(buffer, 100).quaternion, STILL)


def test_reasons_why_there_is_none(buffer: PoseBuffer) -> None:
    assert PoseBuffer().at(0) == PoseGap.NONE_YET
    assert buffer.at(201 * MILLISECOND) == PoseGap.NOT_YET
    assert buffer.at(99 * MILLISECOND) == PoseGap.TOO_OLD
    assert buffer.add(500 * MILLISECOND, (0.2, 0, 0), STILL) == AddOutcome.ADDED
    assert buffer.at(300 * MILLISECOND) == PoseGap.GAP
    assert buffer.at(600 * MILLISECOND) == PoseGap.NOT_YET
    buffer.add(600 * MILLISECOND, (0.2, 0, 0), STILL)  # the oldest of now four goes
    assert buffer.at(150 * MILLISECOND) == PoseGap.TOO_OLD
    assert len(buffer) == 3


@pytest.mark.parametrize(("position", "turn"), [((0.45, 0, 0), STILL), ((0.1, 0, 0), about_z(math.pi * 0.9))])
def test_a_jump_is_never_interpolated_across(
    buffer: PoseBuffer, position: tuple[float, float, float], turn: tuple[float, float, float, float]
) -> None:
    assert buffer.add(300 * MILLISECOND, position, turn) == AddOutcome.JUMPED
    assert buffer.at(299 * MILLISECOND) == PoseGap.JUMP
    assert isinstance(buffer.at(150 * MILLISECOND), Pose)
    assert isinstance(buffer.at(300 * MILLISECOND), Pose)
    assert buffer.add(400 * MILLISECOND, position, turn) == AddOutcome.ADDED
    assert isinstance(buffer.at(350 * MILLISECOND), Pose)


def test_a_clock_that_goes_back_begins_anew(buffer: PoseBuffer) -> None:
    assert buffer.add(150 * MILLISECOND, (0, 0, 0), STILL) == AddOutcome.OUT_OF_ORDER
    assert buffer.add(100 * MILLISECOND, (0, 0, 0), STILL) == AddOutcome.DUPLICATE
    assert buffer.add(200 * MILLISECOND, (0, 0, 0), STILL) == AddOutcome.DUPLICATE
    buffer.add(5000 * MILLISECOND, (0.1, 0, 0), STILL)
    # A bag from the start: its first stamp is one that the buffer knows.
    assert buffer.add(100 * MILLISECOND, (9, 0, 0), STILL) == AddOutcome.CLOCK_WENT_BACK
    assert len(buffer) == 1
    assert found(buffer, 100).position[0] == 9
    buffer.clear()
    assert buffer.at(100 * MILLISECOND) == PoseGap.NONE_YET


@pytest.mark.parametrize(
    ("position", "quaternion"),
    [
        ((np.nan, 0, 0), STILL),
        ((0, np.inf, 0), STILL),
        ((0, 0, 0), (0, 0, 0, 0)),
        ((0, 0, 0), (0, 0, 0, 1.2)),
        ((0, 0, 0), (0, 0, np.nan, 1)),
        ((0, 0), STILL),
    ],
)
def test_what_is_no_pose_is_not_taken(position: tuple[float, ...], quaternion: tuple[float, ...]) -> None:
    buffer = PoseBuffer()
    assert buffer.add(0, position, quaternion) == AddOutcome.INVALID
    assert len(buffer) == 0


def test_a_rounded_quaternion_is_normalised() -> None:
    buffer = PoseBuffer()
    buffer.add(0, (0, 0, 0), (0, 0, 0, 1.01))
    np.testing.assert_allclose(found(buffer, 0).quaternion, STILL)


@pytest.mark.parametrize("limits", [{"max_gap": 0.0}, {"max_speed": -1.0}, {"max_turn": math.nan}, {"max_length": 1}])
def test_limits_are_checked(limits: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(limits))):
        PoseBuffer(**limits)  # type: ignore[arg-type]


unit = st.lists(st.floats(-1, 1), min_size=4, max_size=4).map(np.array).filter(lambda q: np.linalg.norm(q) > 0.1)


@given(unit, unit, st.floats(0, 1))
def test_slerp_turns_evenly_along_the_shorter_way(first: np.ndarray, second: np.ndarray, share: float) -> None:
    first, second = first / np.linalg.norm(first), second / np.linalg.norm(second)
    whole = rotation_angle(first, second)
    assert 0 <= whole <= math.pi + 1e-9
    mixed = slerp(first, second, share)
    assert np.linalg.norm(mixed) == pytest.approx(1.0)
    assert rotation_angle(first, mixed) == pytest.approx(share * whole, abs=1e-6)
    assert rotation_angle(mixed, second) == pytest.approx((1 - share) * whole, abs=1e-6)
    matrix = rotation_matrix(mixed)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-9)
    # The angle of R1^T R2, by its trace.
    turn = rotation_matrix(first).T @ rotation_matrix(second)
    assert math.cos(whole) == pytest.approx((np.trace(turn) - 1) / 2, abs=1e-9)
