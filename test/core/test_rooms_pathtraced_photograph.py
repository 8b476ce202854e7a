"""From traced light to a photograph."""

from __future__ import annotations

import numpy as np
import pytest

from cinet_core.rooms.pathtraced.photograph import photograph


@pytest.fixture
def light() -> np.ndarray:
    ramp = np.geomspace(0.01, 3.0, 64 * 48).reshape(48, 64, 1)
    return (ramp * np.array([1.0, 0.9, 0.7])).astype(np.float32)


def test_exposure_is_automatic(light: np.ndarray) -> None:
    dim, bright = (photograph(light * factor, np.random.default_rng(3)) for factor in (0.01, 50.0))
    assert np.abs(dim.astype(int) - bright.astype(int)).max() <= 1
    assert 60 < dim.mean() < 190


def test_brighter_light_is_never_darker(light: np.ndarray) -> None:
    for seed in range(20):
        image = photograph(light, np.random.default_rng(seed))
        assert image.dtype == np.uint8
        assert image.shape == light.shape
        assert (np.diff(image.reshape(-1, 3).astype(int), axis=0) >= -1).all()


def test_white_balance_takes_colour_back(light: np.ndarray) -> None:
    warm = light * np.array([1.0, 0.6, 0.25], dtype=np.float32)
    for seed in range(10):
        image = photograph(warm, np.random.default_rng(seed)).reshape(-1, 3).astype(float) / 255
        middle = image[len(image) // 2]
        assert middle[2] / middle[0] > 0.25**0.45 * 0.7


def test_images_differ_by_seed_and_only_by_it(light: np.ndarray) -> None:
    first, again, other = (photograph(light, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


def test_darkness_stays_finite() -> None:
    assert photograph(np.zeros((4, 4, 3), dtype=np.float32), np.random.default_rng(0)).max() <= 255
