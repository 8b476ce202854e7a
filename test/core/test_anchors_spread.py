"""Uncertainty of corrected depth, where a network has published its own."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from cinet_core.anchors import FieldEstimator, measure_cloud
from cinet_core.anchors.spread import corrected_sigma
from cinet_core.geometry import Intrinsics

CAMERA = Intrinsics.from_fov(160, 120, 62)
FEW, MANY = (4, 3), (32, 24)


def own(seed: int = 0) -> np.ndarray:
    """(H, W) what a network may say: 0.12, and up to 0.4 in the right half."""
    sigma = np.full((120, 160), 0.12, np.float32)
    sigma[:, 80:] += np.random.default_rng(seed).uniform(0.05, 0.28, (120, 80)).astype(np.float32)
    return sigma


def measured(truth: np.ndarray, counts: tuple[int, int]):
    """A lattice of exact depths."""
    columns, rows = counts
    u, v = (axis.ravel() for axis in np.meshgrid(
        (np.arange(columns) + 0.5) * 160 // columns, (np.arange(rows) + 0.5) * 120 // rows))  # fmt: skip
    z = truth[v.astype(int), u.astype(int)]
    cloud = np.stack([(u - CAMERA.cx) / CAMERA.fx * z, (v - CAMERA.cy) / CAMERA.fy * z, z], axis=1)
    return measure_cloud(cloud, CAMERA, relative_sigma=0.01, sigma=0.0)


def test_without_anchors_it_is_the_network_s() -> None:
    np.testing.assert_allclose(corrected_sigma(np.ones((120, 160)), own()), own(), rtol=1e-6)
    depth = np.full((120, 160), 2.0, np.float32)
    found = FieldEstimator().update(depth, CAMERA, uncertainty=own())
    np.testing.assert_allclose(found.uncertainty, own(), rtol=1e-3)


def test_the_more_is_measured_the_smaller_it_is_and_never_above_the_network_s() -> None:
    parts = [corrected_sigma(np.full((120, 160), part), own()) for part in (1.0, 0.5, 0.1, 0.02, 0.0)]
    for more, less in itertools.pairwise(parts):
        assert (less <= more).all()
    assert np.median(parts[-1][:, :80]) < 0.1 * 0.12
    # What is finer than points are dense is not known by them.
    assert np.median(parts[-1][:, 80:]) > 3 * np.median(parts[-1][:, :80])
    assert (corrected_sigma(np.full((120, 160), 7.0), own()) <= own() * 1.0001).all()


def test_invalid_pixels_stay_invalid_and_spoil_no_other() -> None:
    sigma = own()
    sigma[10:30, 10:50] = np.nan
    found = corrected_sigma(np.full((120, 160), 0.1), sigma)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(sigma))
    np.testing.assert_allclose(found[60:], corrected_sigma(np.full((120, 160), 0.1), own())[60:], rtol=0.02)
    assert np.isnan(corrected_sigma(np.ones((120, 160)), np.full((120, 160), np.nan))).all()


@pytest.mark.parametrize("counts", [FEW, MANY])
def test_errors_are_within_it_as_often_as_normal_ones_are(counts: tuple[int, int]) -> None:
    """A process with the correlation that a network's errors have, and a network that knows how large they are."""
    place = np.stack(np.meshgrid(np.arange(4, 160, 8), np.arange(4, 120, 8)), axis=-1).reshape(-1, 2) / 160
    distance = np.linalg.norm(place[:, None] - place[None], axis=-1)
    root = np.linalg.cholesky(np.exp(-distance / 0.22) + 0.5 + 1e-6 * np.eye(len(place)))
    truth, size, rng = np.full((120, 160), 2.0, np.float32), 0.12, np.random.default_rng(3)
    ratios, sigmas = [], []
    for _ in range(25):
        values = size * (root @ rng.normal(size=len(place))).reshape(15, 20) / np.sqrt(1.5)
        error = np.kron(values, np.ones((8, 8))).astype(np.float32)
        predicted = truth * np.exp(error)
        said = np.full((120, 160), size, np.float32)
        found = FieldEstimator().update(predicted, CAMERA, [measured(truth, counts)], uncertainty=said)
        ratios.append(np.abs(np.log(found.depth / truth)) / found.uncertainty)
        sigmas.append(float(np.median(found.uncertainty)))
    one, two = (float(np.mean(np.stack(ratios) < limit)) for limit in (1, 2))
    assert 0.6 < one < 0.96
    assert two > 0.9
    assert np.mean(sigmas) < (0.75 if counts == FEW else 0.3) * size
