"""The limit on rates: exact on average, kind to jitter, and free to change."""

from __future__ import annotations

import numpy as np
import pytest

from cinet_ros.rate_limit import RateLimit


def passed(rate: float, times: np.ndarray) -> int:
    """How many of the events at these times a fresh limit lets pass."""
    limit = RateLimit()
    return sum(limit.allows(rate, float(now)) for now in times)


@pytest.mark.parametrize("rate", [0.5, 7.0, 10.0, 15.0, 29.0])
def test_a_faster_camera_is_held_to_the_rate(rate: float) -> None:
    times = np.arange(0, 60, 1 / 30)
    assert passed(rate, times) == pytest.approx(60 * rate, abs=2)


@pytest.mark.parametrize("rate", [30.0, 31.0, 1000.0])
def test_a_camera_at_the_rate_loses_nothing_to_its_jitter(rate: float) -> None:
    times = np.arange(0, 60, 1 / 30) + np.random.default_rng(0).uniform(0, 0.01, 1800)
    assert passed(rate, times) == 1800


def test_the_frames_that_pass_are_evenly_spaced() -> None:
    limit, times = RateLimit(), np.arange(0, 10, 1 / 30)
    chosen = [now for now in times if limit.allows(10.0, now)]
    assert np.diff(chosen[2:]).max() < 0.14  # but for the first two every third, or the fourth where rounding has it


def test_a_burst_passes_twice_and_then_waits() -> None:
    limit = RateLimit()
    assert [limit.allows(1.0, 5.0) for _ in range(4)] == [True, True, False, False]
    assert not limit.allows(1.0, 5.9)
    assert limit.allows(1.0, 6.1)


def test_no_limit_and_its_return() -> None:
    limit = RateLimit()
    assert all(limit.allows(0.0, now) for now in np.zeros(50))
    assert [limit.allows(1.0, 0.0) for _ in range(3)] == [True, True, False]
    assert limit.allows(0.0, 0.0)
